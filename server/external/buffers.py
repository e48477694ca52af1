"""K-space as the buffers and buckets of a Gadgetron's node, and back."""

from collections.abc import Iterator

import numpy as np
import torch

from gadgets.arrays import to_kspace
from gadgets.data import Heads, Kspace, Reference
from gadgets.head import READOUT_HEAD
from gadgets.kspace.layout import layout
from gadgets.scan import Encoding, Scan
from server.errors import ProtocolError
from server.wire.composite import SAMPLING, Acquisition, Bucket, Buffer, ReconData


def buffer(item: Kspace, scan: Scan) -> Buffer:
    """The buffer of a k-space; its headers are that of its central line, with each line's own counters."""
    data = _in_k(item.data, transformed=item.transformed)
    sampled = item.sampled.numpy() > 0
    heads = np.zeros(sampled.shape, READOUT_HEAD)
    heads[:] = item.head[..., None, None]
    _count(heads, scan, item.encoding, (0, 0))
    _shape(heads, data.shape[3], data.shape[-1])
    heads[~sampled] = np.zeros((), READOUT_HEAD)
    lines = np.argwhere(sampled.any((0, 1, 2)))
    return Buffer(data=data, heads=heads, sampling=_sampling(scan.encoding(item.encoding), lines, data.shape))


def reference_buffer(item: Reference, head: Heads, scan: Scan) -> Buffer:
    """The buffer of reference lines, of their region alone; ``head`` is that of the image beside them."""
    data = _in_k(item.data, transformed=item.transformed)[None, None, None]
    heads = np.zeros((1, 1, 1, *data.shape[4:6]), READOUT_HEAD)
    heads[:] = head
    _count(heads, scan, item.encoding, item.first)
    _shape(heads, data.shape[3], data.shape[-1])
    lines = np.argwhere(np.ones(data.shape[4:6], bool)) + item.first
    return Buffer(data=data, heads=heads, sampling=_sampling(scan.encoding(item.encoding), lines, data.shape))


def bucket(found: Buffer, reference: Buffer | None) -> Bucket:
    """The lines of buffers as a bucket of readouts."""
    return Bucket(data=tuple(_lines(found)), reference=tuple(_lines(reference)) if reference else ())


def _lines(found: Buffer) -> Iterator[Acquisition]:
    for loc, s, n, e2, e1 in np.argwhere(found.heads["number_of_samples"] > 0):
        yield Acquisition(head=found.heads[loc, s, n, e2, e1], data=found.data[loc, s, n, :, e2, e1])


def kspace(item: ReconData, scan: Scan) -> Iterator[Kspace | Reference]:
    """What the buffers hold, the reference lines of each before its lines.

    Raises ProtocolError for buffers that are no Cartesian k-space of this scan.
    """
    for found, reference in item.bits:
        if found.data.ndim != 7 or found.heads.shape != (*found.data.shape[:3], *found.data.shape[4:6]):
            raise ProtocolError(
                f"a buffer's headers are {found.heads.shape} for data of {found.data.shape}, expected one for"
                " each line"
            )
        if found.trajectory is not None:
            raise ProtocolError("a buffer with a trajectory is not supported")
        there = found.heads["number_of_samples"] > 0
        if not there.any():
            raise ProtocolError("a buffer has no header of an acquired line")
        first = found.heads[there][0]
        if reference is not None:
            yield _reference(reference, first, scan)
        yield Kspace(
            data=torch.from_numpy(np.array(found.data, np.complex64)),
            sampled=torch.from_numpy(there.astype(np.int32)),
            head=_central(found, there),
            encoding=int(first["encoding_space_ref"]),
        )


def _reference(found: Buffer, head: Heads, scan: Scan) -> Reference:
    here = found.heads[found.heads["number_of_samples"] > 0]
    encoding = int(head["encoding_space_ref"])
    plan = layout(scan, encoding)
    k2, k1 = plan.place(here)
    return Reference(
        data=torch.from_numpy(np.array(found.data[0, 0, 0], np.complex64)),
        first=(int(k2.min()), int(k1.min())),
        shape=(*plan.matrix, found.data.shape[-1]),
        encoding=encoding,
        slice=int(head["idx"]["slice"]),
    )


def _central(found: Buffer, there: np.ndarray) -> Heads:
    """The header nearest to the centre of each frame, [loc, s, n]."""
    e2, e1 = found.data.shape[4:6]
    place = np.add.outer((np.arange(e2) - e2 // 2) ** 2, (np.arange(e1) - e1 // 2) ** 2)
    far = np.where(there, place, np.iinfo(np.int64).max).reshape(*there.shape[:3], -1)
    heads = found.heads.reshape(*there.shape[:3], -1)
    return np.take_along_axis(heads, far.argmin(-1)[..., None], -1)[..., 0]


def _in_k(data: torch.Tensor, *, transformed: bool) -> np.ndarray:
    return (to_kspace(data) if transformed else data).numpy()


def _count(heads: Heads, scan: Scan, encoding: int, first: tuple[int, int]) -> None:
    """Write the counters of the lines into their headers, [..., k2, k1]."""
    shift = layout(scan, encoding).shift
    k2, k1 = heads.shape[-2:]
    heads["idx"]["kspace_encode_step_2"] = (np.arange(k2) + first[0] - shift[0])[:, None].clip(0)
    heads["idx"]["kspace_encode_step_1"] = (np.arange(k1) + first[1] - shift[1]).clip(0)
    heads["encoding_space_ref"] = encoding


def _shape(heads: Heads, coils: int, samples: int) -> None:
    heads["flags"] = 0
    heads["active_channels"] = heads["available_channels"] = coils
    heads["number_of_samples"], heads["center_sample"] = samples, samples // 2
    heads["discard_pre"] = heads["discard_post"] = 0


def _sampling(encoding: Encoding, lines: np.ndarray, shape: tuple[int, ...]) -> Heads:
    """How the lines [line, (k2, k1)] of a matrix were sampled."""
    said = np.zeros((), SAMPLING)
    for name, space in (("encoded", encoding.encoded), ("recon", encoding.recon)):
        said[f"{name}_matrix"], said[f"{name}_fov"] = space.matrix, [1000 * each for each in space.fov]
    ends = [(0, shape[-1] - 1), *((lines[:, axis].min(), lines[:, axis].max()) for axis in (1, 0))]
    sizes = (shape[-1], max(encoding.encoded.matrix[1], 1), max(encoding.encoded.matrix[2], 1))
    for axis, ((low, high), size) in enumerate(zip(ends, sizes, strict=True)):
        said["limits"][axis] = (low, size // 2, high)
    return said
