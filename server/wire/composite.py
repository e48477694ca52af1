"""Messages that travel between the nodes of a Gadgetron: whole buffers, image arrays, buckets of readouts.

Arrays lie in memory as Gadgetron has them, the first of its axes fastest: in C order its axes are reversed,
[LOC, S, N, CHA, E2, E1, E0] for ``data``. A composite has no length of its own; it is walked.
"""

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gadgets.data import Heads
from gadgets.head import IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD
from server.errors import ProtocolError
from server.wire.kinds import Kind, Limits

T = TypeVar("T")

SAMPLING = np.dtype(
    [
        ("encoded_fov", "<f4", 3),
        ("recon_fov", "<f4", 3),
        ("encoded_matrix", "<u2", 3),
        ("recon_matrix", "<u2", 3),
        ("limits", [("minimum", "<u2"), ("center", "<u2"), ("maximum", "<u2")], 3),
    ],
    align=True,
)
"""How a buffer was sampled; (x, y, z), fields of view [mm]. 56 bytes."""

STATISTICS = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "phase", "contrast", "repetition",
              "set", "segment", "average")  # fmt: skip
"""The counters of a bucket's statistics, in their order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Buffer:
    """Lines in their matrix."""

    data: NDArray[np.complex64]
    """[loc, s, n, coil, e2, e1, e0]."""

    heads: Heads
    """[loc, s, n, e2, e1]; zero where no line was acquired."""

    sampling: Heads
    """One ``SAMPLING``, []."""

    trajectory: NDArray[np.float32] | None = None
    density: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ReconData:
    """Message 1023: for each encoding space a buffer, and its reference lines."""

    bits: tuple[tuple[Buffer, Buffer | None], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageArray:
    """Message 1024."""

    data: NDArray[np.complex64]
    """[loc, s, n, channel, z, y, x]."""

    heads: Heads
    """[loc, s, n]."""

    meta: tuple[str, ...]
    """In the order of the headers, n fastest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bucket:
    """Message 1050: readouts, reference lines apart."""

    data: tuple["Acquisition", ...]
    reference: tuple["Acquisition", ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Acquisition:
    """One readout of a bucket."""

    head: Heads
    data: NDArray[np.complex64]
    """[coil, sample]."""

    trajectory: NDArray[np.float32] | None = None


Composite: TypeAlias = ReconData | ImageArray | Bucket


class _Short(Exception):
    """So many bytes have to be there before more can be known."""


@dataclass
class _Walk:
    """Reads a composite from its start; nothing is copied."""

    view: memoryview
    limits: Limits
    at: int = 2

    def take(self, size: int) -> memoryview:
        if size > self.limits.message:
            raise ProtocolError(f"a part of {size} bytes is above the limit of {self.limits.message}")
        self.at += size
        if self.at > len(self.view):
            raise _Short(self.at)
        return self.view[self.at - size : self.at]

    def count(self) -> int:
        (found,) = struct.unpack("<Q", self.take(8))
        if found > self.limits.message:
            raise ProtocolError(f"a count of {found} is above the limit of {self.limits.message}")
        return int(found)

    def array(self, dtype: DTypeLike, most: int = 8) -> NDArray[Any]:
        """An array, its axes reversed."""
        axes = self.count()
        if axes > most:
            raise ProtocolError(f"an array has {axes} axes, at most {most} are read")
        shape = [self.count() for _ in range(axes)]
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return np.frombuffer(self.take(size), dtype).reshape(shape[::-1])

    def maybe(self, what: Callable[[], T]) -> T | None:
        return what() if self.take(1)[0] else None

    def records(self, dtype: DTypeLike, count: int) -> NDArray[Any]:
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype)


def extent(view: memoryview, limits: Limits) -> int:
    """Bytes from the start of ``view`` that the composite there takes, as far as they can tell.

    Raises ProtocolError for a size above the limits.
    """
    walk = _Walk(view, limits)
    try:
        _READ[struct.unpack_from("<H", view)[0]](walk)
    except _Short as short:
        return int(short.args[0])
    return walk.at


def decode(kind: int, payload: memoryview, limits: Limits) -> Composite:
    """The composite of a message, copied out of the payload behind its id."""
    return _READ[kind](_Walk(memoryview(bytearray(payload)), limits, at=0))


def _recon_data(walk: _Walk) -> ReconData:
    bits = ((_buffer(walk), walk.maybe(lambda: _buffer(walk))) for _ in range(walk.count()))
    return ReconData(bits=tuple(bits))


def _buffer(walk: _Walk) -> Buffer:
    data = walk.array(np.complex64)
    trajectory = walk.maybe(lambda: walk.array(np.float32))
    density = walk.maybe(lambda: walk.array(np.float32))
    heads = walk.array(READOUT_HEAD)
    sampling = walk.records(SAMPLING, 1)[0]
    return Buffer(data=data, heads=heads, sampling=sampling, trajectory=trajectory, density=density)


def _image_array(walk: _Walk) -> ImageArray:
    data, heads = walk.array(np.complex64), walk.array(IMAGE_HEAD)
    texts = [bytes(walk.take(walk.count())) for _ in range(walk.count())]
    walk.maybe(lambda: [_waveform(walk) for _ in range(walk.count())])
    walk.maybe(lambda: walk.array(READOUT_HEAD))
    meta = tuple(text.partition(b"\0")[0].decode(errors="replace") for text in texts)
    return ImageArray(data=data, heads=heads, meta=meta)


def _waveform(walk: _Walk) -> memoryview:
    head = walk.records(WAVEFORM_HEAD, 1)[0]
    return walk.take(4 * int(head["number_of_samples"]) * int(head["channels"]))


def _bucket(walk: _Walk) -> Bucket:
    said = struct.unpack("<13Q", walk.take(104))
    data = _acquisitions(walk, said[0])
    walk.take(said[8])
    reference = _acquisitions(walk, said[4])
    walk.take(said[9])
    walk.take(said[11])
    walk.take(said[12])
    return Bucket(data=data, reference=reference)


def _acquisitions(walk: _Walk, count: int) -> tuple[Acquisition, ...]:
    heads = walk.records(READOUT_HEAD, count)
    shapes = [
        tuple(int(head[n]) for n in ("active_channels", "number_of_samples", "trajectory_dimensions"))
        for head in heads
    ]
    paths = [walk.records(np.float32, samples * dims).reshape(samples, dims) for _, samples, dims in shapes]
    data = [walk.records(np.complex64, coils * n).reshape(coils, n) for coils, n, _ in shapes]
    return tuple(
        Acquisition(head=head, data=samples, trajectory=path if path.size else None)
        for head, samples, path in zip(heads, data, paths, strict=True)
    )


_READ: dict[int, Callable[[_Walk], Composite]] = {
    Kind.RECON_DATA: _recon_data,
    Kind.IMAGE_ARRAY: _image_array,
    Kind.BUCKET: _bucket,
}


def recon_data(item: ReconData) -> bytes:
    """Buffers as a message."""
    parts = [struct.pack("<HQ", Kind.RECON_DATA, len(item.bits))]
    for data, reference in item.bits:
        parts += [_written(data), _optional(reference, _written)]
    return b"".join(parts)


def _written(buffer: Buffer) -> bytes:
    return b"".join(
        (
            _array(buffer.data),
            _optional(buffer.trajectory, _array),
            _optional(buffer.density, _array),
            _array(buffer.heads),
            buffer.sampling.tobytes(),
        )
    )


def _array(array: NDArray[Any]) -> bytes:
    shape = array.shape[::-1]
    return struct.pack(f"<{len(shape) + 1}Q", len(shape), *shape) + np.ascontiguousarray(array).tobytes()


def _optional(item: T | None, write: Callable[[T], bytes]) -> bytes:
    return b"\0" if item is None else b"\1" + write(item)


def image_array(item: ImageArray) -> bytes:
    """Images as a message, without waveforms and headers of readouts."""
    texts = [text.encode() for text in item.meta]
    meta = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    parts = (struct.pack("<H", Kind.IMAGE_ARRAY), _array(item.data), _array(item.heads))
    return b"".join((*parts, struct.pack("<Q", len(texts)), meta, b"\0\0"))


def bucket(item: Bucket, spaces: int) -> bytes:
    """A bucket as a message; ``spaces`` is the number of encoding spaces, each with its statistics."""
    parts, sizes = [], []
    for group in (item.data, item.reference):
        heads, paths, data, said = _group(group, spaces)
        sizes.append((len(group), len(heads), len(data), len(paths), len(said)))
        parts += [heads, paths, data, said]
    counts = [*sizes[0][:4], *sizes[1][:4], sizes[0][4], sizes[1][4], 0, 0, 0]
    return b"".join((struct.pack("<H13Q", Kind.BUCKET, *counts), *parts))


def _group(group: Sequence[Acquisition], spaces: int) -> tuple[bytes, bytes, bytes, bytes]:
    heads = b"".join(each.head.tobytes() for each in group)
    paths = b"".join(each.trajectory.tobytes() for each in group if each.trajectory is not None)
    data = b"".join(np.ascontiguousarray(each.data).tobytes() for each in group)
    stats = [struct.pack("<Q", spaces)]
    for space in range(spaces):
        mine = [each.head["idx"] for each in group if int(each.head["encoding_space_ref"]) == space]
        stats += [_set({int(index[name]) for index in mine}) for name in STATISTICS]
    return heads, paths, data, b"".join(stats)


def _set(values: Iterable[int]) -> bytes:
    found = sorted(values)
    return struct.pack(f"<Q{len(found)}H", len(found), *found)
