"""Which lines an image was made of: its scale in SNR units, and how far they reach."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gadgets.data import Heads, Kspace, Notes


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What one image is made of."""

    data: torch.Tensor
    """complex64, [coil, k2, k1, k0]."""

    sampled: torch.Tensor
    """int32, [k2, k1]: how many times each line was acquired."""

    head: Heads
    """The readout nearest to the centre of k-space, []."""

    source: Kspace

    @property
    def slice(self) -> int:
        """The slice counter."""
        return int(self.head["idx"]["slice"])

    @property
    def series(self) -> tuple[object, ...]:
        """What frames of one series share: all counters but those of time, and the shape of their lines."""
        counters = tuple(int(self.head["idx"][name]) for name in ("slice", "set", "contrast", "average"))
        return (self.source.encoding, *counters, tuple(self.data.shape))

    @property
    def readout(self) -> float:
        """Fraction of the readout that was sampled; the rest (an asymmetric echo's) is zero."""
        first, last = extent(self.source.notes, "X")
        return (last - first) / 2


def frames(kspace: Kspace) -> Iterator[Frame]:
    """The frames of a buffer, slice by slice, then s, then n."""
    slices, sets, images = kspace.sampled.shape[:3]
    for index in ((i, s, n) for i in range(slices) for s in range(sets) for n in range(images)):
        yield Frame(
            data=kspace.data[index], sampled=kspace.sampled[index], head=kspace.head[index], source=kspace
        )


def variance(sampled: torch.Tensor) -> torch.Tensor:
    """Noise variance of each line: 1 / (times it was acquired), 0 where it was not; float64."""
    times = sampled.to(torch.float64)
    return torch.where(times > 0, 1 / times.clamp(min=1), times.new_zeros(()))


def unit_noise(lines: torch.Tensor, readout: float = 1.0) -> float:
    """The factor after which a unitary transform of these lines has noise of sd 1.

    ``lines`` are those acquired, int [k2, k1], every other line being 0: sqrt(N_total / sum_l 1 / n_l).
    """
    return math.sqrt(lines.numel() / (float(variance(lines).sum()) * readout))


def reach(sampled: torch.Tensor) -> Notes:
    """Notes on how far the lines reach, in units of half the matrix from the centre, along y and z."""
    return {
        "ScansideSampledY": _reach(sampled.any(0)),
        "ScansideSampledZ": _reach(sampled.any(1)),
    }


def _reach(any_there: torch.Tensor) -> tuple[float, float]:
    size, there = len(any_there), torch.nonzero(any_there)[:, 0].tolist()
    if size == 1:
        return -1.0, 1.0
    return (there[0] - size // 2) / (size / 2), (there[-1] + 1 - size // 2) / (size / 2)


def extent(notes: Notes, axis: str) -> tuple[float, float]:
    """Where k-space was sampled along X, Y or Z, in units of half the matrix from the centre: from, to."""
    first, last = notes.get(f"ScansideSampled{axis}", (-1.0, 1.0))  # type: ignore[misc]
    return float(first), float(last)


def places(size: int) -> torch.Tensor:
    """Where the points of an axis of k-space lie, in halves of it from the centre, float64 [size]."""
    return (torch.arange(size, dtype=torch.float64) - size // 2) / (size / 2)


def sampled_part(size: int, first: float, last: float) -> torch.Tensor:
    """Which points of an axis of k-space lie between two places, bool [size]; an only point does."""
    if size == 1:
        return torch.ones(1, dtype=torch.bool)
    place = places(size)
    return (place > first - 0.5 / size) & (place < last - 0.5 / size)
