"""Exact unfolding: where the acquired lines form a lattice, pixels fold in small groups."""

import math
from dataclasses import dataclass

import torch

from gadgets.arrays import to_image

EXACT = 1e-4
"""What a point spread function may have, relative to its peak, where a lattice has none."""

MOST = 32
"""The most pixels that fold on one another."""

SMALLEST = 1e-6
"""The least ridge, relative to eigenvalues of at most 1: keeps groups apart that coils cannot part."""

Shift = tuple[int, int]
"""Along (z, y), in pixels."""


@dataclass(frozen=True, kw_only=True)
class Folding:
    """Which pixels fold on which: the folded image is sum_j h_j x(r - d_j), |h_j| = 1 / R."""

    shifts: tuple[Shift, ...]
    """d_j, (0, 0) first."""

    factors: tuple[complex, ...]
    """h_j."""

    @property
    def acceleration(self) -> int:
        """How many pixels fold on one."""
        return len(self.shifts)


def folding(there: torch.Tensor) -> Folding | None:
    """How acquired lines, bool [k2, k1], fold the image; None where they are no lattice.

    A lattice, moved or sheared (CAIPIRINHA) as it may be, is known by its point spread function: it has
    N / N_sampled peaks of equal height, and nothing else.
    """
    count, total = int(there.sum()), there.numel()
    if count == 0 or total % count or total // count > MOST:
        return None
    spread = to_image(there.to(torch.complex64), (-2, -1)) / math.sqrt(total)
    height = spread.abs() * (total / count)
    peaks = torch.nonzero(height > 0.5).tolist()
    rest = height.clone()
    rest[height > 0.5] -= 1
    if len(peaks) != total // count or float(rest.abs().max()) > EXACT:
        return None
    centre = (there.shape[0] // 2, there.shape[1] // 2)
    peaks.sort(key=lambda peak: (peak != list(centre), peak))
    shifts = tuple((z - centre[0], y - centre[1]) for z, y in peaks)
    return Folding(shifts=shifts, factors=tuple(complex(spread[z, y]) for z, y in peaks))


@dataclass(frozen=True, kw_only=True, eq=False)
class Unfolding:
    """The unmixing weights of every pixel: image[m] = sum_c weights[m, c] folded[c]."""

    folding: Folding
    weights: torch.Tensor
    """complex64, [map, coil, z, y, x]."""

    averages: float = 1.0
    """How many times each line was acquired."""

    def image(self, lines: torch.Tensor) -> torch.Tensor:
        """The image, complex64 [map, z, y, x], of lines [coil, k2, k1, x]: of the lattice, 0 elsewhere."""
        folded = to_image(lines, (-3, -2) if lines.shape[-3] > 1 else (-2,))
        total = torch.zeros_like(self.weights[:, 0])
        for weights, coil in zip(self.weights.unbind(1), folded, strict=True):
            total.addcmul_(weights, coil)
        return total

    def covariance(self, one: int = 0, other: int = 0) -> list[tuple[Shift, torch.Tensor]]:
        """By shift d, the noise covariance of pixel r of map ``one`` and pixel r - d of map ``other``.

        complex64 [z, y, x], of the real part as of the imaginary part; pixels of other distance have none.
        The folded noise of a coil has the covariance h(d) between r and r - d, as it is white before.
        """
        found = []
        for shift, factor in zip(self.folding.shifts, self.folding.factors, strict=True):
            moved = self.weights[other].roll(shift, (1, 2))
            product = torch.linalg.vecdot(moved, self.weights[one], dim=0)
            found.append((shift, product * (factor / self.averages)))
        return found


def unfold(maps: torch.Tensor, fold: Folding, ridge: float = 0.0, averages: float = 1.0) -> Unfolding:
    """The unmixing weights of coil maps [map, coil, z, y, x]: (A^H W A + ridge)^-1 A^H W, W = averages.

    Pruessmann et al., MRM 42:952, 1999, equation 10, for white noise. Solved by Cholesky factors; a pixel
    without coil maps is 0.
    """
    sets, coils, depth, height, width = maps.shape
    groups, size = _groups(fold, depth, height), fold.acceleration
    factors = torch.tensor(fold.factors, dtype=torch.complex64)
    gathered = maps.flatten(2, 3)[:, :, groups] * factors[:, None]
    matrices = gathered.permute(2, 4, 1, 0, 3).reshape(-1, coils, sets * size)
    adjoint = matrices.mH
    normal = adjoint @ matrices
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    empty = diagonal.real <= 0
    diagonal += max(ridge / averages, SMALLEST) / size
    diagonal += empty
    solved = torch.cholesky_solve(adjoint, torch.linalg.cholesky(normal))
    solved = solved.reshape(len(groups), width, sets, size, coils).permute(2, 4, 0, 3, 1)
    weights = torch.zeros(sets, coils, depth * height, width, dtype=torch.complex64)
    weights[:, :, groups] = solved * (factors * size)[:, None]
    return Unfolding(folding=fold, weights=weights.reshape(maps.shape), averages=averages)


def _groups(fold: Folding, depth: int, height: int) -> torch.Tensor:
    """The pixels r - d_j that fold on one another, each group once: int64 [group, j] into [z and y]."""
    z, y = torch.meshgrid(torch.arange(depth), torch.arange(height), indexing="ij")
    members = torch.stack(
        [((z - dz) % depth * height + (y - dy) % height).flatten() for dz, dy in fold.shifts], 1
    )
    first = members.min(1).values == torch.arange(depth * height)
    return members[first]
