"""The GRAPPA kernel: weights that make each missing line of each coil from acquired lines of all coils."""

import math
from dataclasses import dataclass

import torch

from gadgets.data import Reference
from gadgets.recon.grappa.neighbours import Neighbours, along_k1, neighbours
from gadgets.recon.grappa.steps import Steps

Size = tuple[int, ...]
"""Samples used along k0, acquired lines used along k1, and along k2 (2 where it is not given)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernel:
    """Weights by group of missing lines that share their sources."""

    steps: Steps
    groups: tuple[Neighbours, ...]
    weights: tuple[torch.Tensor, ...]
    """For each group, complex64 [kx, source, target, coil made, coil used]."""

    size: Size
    regularization: float = 0.0
    """lambda over the mean of the diagonal of A^H A; of several groups the greatest."""

    @property
    def lines(self) -> int:
        """How many acquired lines make a missing one, at most."""
        return max((len(group.sources) for group in self.groups), default=0)

    @property
    def lags(self) -> range:
        """Shifts along k0 from a sample made to those used."""
        return lags(self.size[0])

    def over_x(self, points: int) -> tuple[torch.Tensor, ...]:
        """The weights at each position of the readout, complex64 [x, source, target, coil made, coil used].

        A convolution along k0 is a product along x: W(x) = sum_d w(d) exp(-2 pi i d (x - n // 2) / n).
        """
        return self.at(torch.arange(points, dtype=torch.float64) - points // 2, points)

    def at(self, places: torch.Tensor, points: int) -> tuple[torch.Tensor, ...]:
        """The same at some places, in pixels from the centre n // 2 of a readout of n = ``points``."""
        turns = waves(self.lags, places, points)
        return tuple(torch.tensordot(turns, one, dims=1) for one in self.weights)

    def by_lag(self, places: torch.Tensor, points: int) -> tuple[torch.Tensor, ...]:
        """The same before the sum over d, complex64 [x, d, source, target, coil made, coil used]."""
        turns = waves(self.lags, places, points)
        return tuple(turns[:, :, None, None, None, None] * one for one in self.weights)


def default_size(reference: Reference, steps: Steps, *, kept: bool) -> Size:
    """The size of kernel for images that keep the reference lines as acquired, or do not.

    Far from the centre noise prevails, which fewer weights follow less; at the centre more fit better.
    """
    enough = reference.data.shape[2] >= 4 * steps.k1 + 1
    if steps.k2 > 1 or steps.shift:
        return (5, 2, 2)
    return (5, 2) if kept or not enough else (5, 4)


def groups(steps: Steps, size: Size) -> tuple[Neighbours, ...]:
    """The missing lines of a lattice, and the lines that a kernel of ``size`` makes them from."""
    if steps.k2 == 1 and steps.shift == 0:
        return along_k1(steps, size[1])
    return neighbours(steps, size[1] * (size[2] if len(size) > 2 else 2))


def lags(width: int) -> range:
    """Distances along k0 from the sample made to the samples used."""
    return range(-((width - 1) // 2), width // 2 + 1)


def waves(distances: range, places: torch.Tensor, points: int) -> torch.Tensor:
    """exp(-2 pi i d x / n) for places x from the centre, complex64 [x, d]."""
    steps = torch.tensor(list(distances), dtype=torch.float64, device=places.device)
    angle = -2 * math.pi / points * torch.outer(places, steps)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
