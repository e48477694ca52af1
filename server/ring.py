"""A ring of shared memory that never wraps: the same pages lie twice, one behind the other.

The keeper receives into it and the worker decodes out of it, so that a message is one contiguous view in both
processes however it lies on the ring. Offsets are those of the stream.
"""

import ctypes
import mmap
import os
from typing import Self

SIZE = 16 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_FIXED, _FAILED = 0x10, ctypes.c_void_p(-1).value


class Ring:
    """A double mapping of a memory file of ``size`` bytes (a multiple of the page size)."""

    def __init__(self, file: int, size: int) -> None:
        self.file, self.size = file, size
        self._address = _map(None, 2 * size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
        for start in (self._address, self._address + size):
            _map(start, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | _FIXED, file)
        self._memory = memoryview((ctypes.c_char * (2 * size)).from_address(self._address)).cast("B")

    @classmethod
    def create(cls, size: int = SIZE) -> Self:
        """A ring of its own memory; its ``file`` may be handed to another process."""
        file = os.memfd_create("scanside-ring", os.MFD_CLOEXEC)
        os.ftruncate(file, size)
        return cls(file, size)

    @classmethod
    def attach(cls, file: int) -> Self:
        """The ring of another process."""
        return cls(file, os.fstat(file).st_size)

    def view(self, start: int, stop: int) -> memoryview:
        """The bytes of the stream from ``start`` to ``stop``, at most ``size`` of them."""
        at = start % self.size
        return self._memory[at : at + stop - start]

    def close(self) -> None:
        """Give the memory back. Views that are still held must not be used any more."""
        if self._address:
            self._memory.release()
            _libc.munmap(self._address, 2 * self.size)
            self._address = 0
            os.close(self.file)


def _map(address: int | None, size: int, protection: int, flags: int, file: int) -> int:
    found = _libc.mmap(address, size, protection, flags, file, 0)
    if found is None or found == _FAILED:
        raise OSError(ctypes.get_errno(), "the ring's memory cannot be mapped")
    return int(found)
