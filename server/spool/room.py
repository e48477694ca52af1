"""Room on the disk, claimed ahead of what is written."""

import ctypes
import errno
import os
from pathlib import Path

from server.errors import ScansideError

KEEP_SIZE = 1
"""``FALLOC_FL_KEEP_SIZE``: the claimed room lies behind the end of the file, whose size stays exact."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk that takes no more."""

UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS)


class SpoolError(ScansideError):
    """The spool cannot do what is asked of it."""


class SpoolFull(SpoolError):
    """The spool's disk has no room, or too little to begin a scan."""


def claim(descriptor: int, start: int, size: int) -> bool:
    """True when the file system keeps room for ``size`` bytes from ``start`` on; False when it cannot do so.

    Raises OSError when there is no such room.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):
        return False
    number = ctypes.c_int64
    if libc.fallocate(descriptor, KEEP_SIZE, number(start), number(size)) == 0:
        return True
    error = ctypes.get_errno()
    if error in UNABLE:
        return False
    raise OSError(error, os.strerror(error))


def free(folder: Path) -> int:
    """Bytes that we may still write on the disk of ``folder``."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
