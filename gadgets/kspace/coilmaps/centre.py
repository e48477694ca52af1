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


def box(there: torch.Tensor) -> tuple[range, range]:
    """The lines about the centre without a gap, bool [k2, k1]: first along k1, then along k2."""
    planes, lines = there.shape
    k1 = _run(there[planes // 2], lines // 2)
    k2 = _run(there[:, k1.start : k1.stop].all(1), planes // 2)
    return k2, k1


def _run(there: torch.Tensor, centre: int) -> range:
    """The unbroken run about ``centre``, at most ``MOST`` long; empty where the centre is missing."""
    if not bool(there[centre]):
        return range(centre, centre)
    gaps = torch.nonzero(~there)[:, 0].tolist()
    first = max([gap + 1 for gap in gaps if gap < centre], default=0)
    last = min([gap for gap in gaps if gap > centre], default=len(there))
    return range(max(first, centre - MOST // 2), min(last, centre + MOST // 2))
