"""The gapless centre of a k-space, as reference lines of its own."""

from collections.abc import Iterator

import torch

from gadgets.data import Kspace, Reference
from gadgets.recon.sampling import frames

FEWEST = 12
"""Lines along k1 (and k2, where there is one) that make a reference."""

MOST = 48
"""Lines along each axis that are enough."""


def central(kspace: Kspace) -> Iterator[Reference]:
    """The reference lines inside the first frame of each slice, where its centre is gapless."""
    seen: set[int] = set()
    for frame in frames(kspace):
        if frame.slice in seen:
            continue
        seen.add(frame.slice)
        k2, k1 = box(frame.sampled > 0)
        if len(k1) < FEWEST or len(k2) < min(FEWEST, frame.sampled.shape[0]):
            continue
        yield Reference(
            data=frame.data[:, k2.start : k2.stop, k1.start : k1.stop],
            first=(k2.start, k1.start),
            shape=(*frame.sampled.shape, frame.data.shape[-1]),
            encoding=kspace.encoding,
            slice=frame.slice,
            transformed=kspace.transformed,
            notes=kspace.notes,
        )


def box(there: torch.Tensor) -> tuple[range, ...]:
    """A gapless box of samples about the centre, at most ``MOST`` along each axis of the bool array.

    It grows by one index on each side in turn, as long as all that it gains is there; empty where the centre
    is missing.
    """
    low = [size // 2 for size in there.shape]
    high = [first + int(bool(there[tuple(low)])) for first in low]
    growing = high != low
    while growing:
        growing = False
        for axis in range(there.dim()):
            for side in (low, high):
                if high[axis] - low[axis] < MOST and _gains(there, low, high, axis, at=side):
                    side[axis] += 1 if side is high else -1
                    growing = True
    return tuple(range(first, last) for first, last in zip(low, high, strict=True))


def _gains(there: torch.Tensor, low: list[int], high: list[int], axis: int, at: list[int]) -> bool:
    """Whether all samples are there on one side of the box."""
    index = high[axis] if at is high else low[axis] - 1
    if not 0 <= index < there.shape[axis]:
        return False
    some = [slice(first, last) for first, last in zip(low, high, strict=True)]
    some[axis] = slice(index, index + 1)
    return bool(there[tuple(some)].all())
