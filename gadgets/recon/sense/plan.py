"""How a frame is solved: by unfolding, by the inverse of each column, or by conjugate gradients."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from gadgets.errors import DataError
from gadgets.recon.sense.encoding import Encoding, solve
from gadgets.recon.sense.unfold import SMALLEST, Unfolding, folding, unfold
from gadgets.recon.sense.window import Window
from models.operator import Coils, Proximal, proximal

ITERATIONS = 40
"""Conjugate gradients end here, or when the residual is ``TOLERANCE`` of the right side."""

TOLERANCE = 1e-4


class Plan(Protocol):
    """A linear map from lines to an image on the window's grid."""

    @property
    def name(self) -> str:
        """What it is called in an image's meta."""

    def image(self, lines: torch.Tensor) -> torch.Tensor:
        """The image, complex64 [map, z, y, x], of lines [coil, k2, k1, x]."""

    def covariance(self, window: Window) -> torch.Tensor:
        """Noise covariance of the maps at each pixel of the matrix, complex64 [map, map, z, y, x]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unfolded:
    """Exact, for lattices."""

    unfolding: Unfolding
    lattice: torch.Tensor
    """bool, [k2, k1]: the lines that are used."""

    name: str = "unfolding"

    def image(self, lines: torch.Tensor) -> torch.Tensor:
        """The image, complex64 [map, z, y, x], of lines [coil, k2, k1, x]."""
        return self.unfolding.image(lines * self.lattice[..., None])

    def covariance(self, window: Window) -> torch.Tensor:
        """Noise covariance of the maps at each pixel of the matrix, complex64 [map, map, z, y, x].

        A pixel of the matrix is a sum over pixels of the window's grid, of which only those correlate that
        fold on one another.
        """
        sets = len(self.unfolding.weights)
        return torch.stack(
            [torch.stack([self._pair(window, one, other) for other in range(sets)]) for one in range(sets)]
        )

    def _pair(self, window: Window, one: int, other: int) -> torch.Tensor:
        parts = self.unfolding.covariance(one, other)
        if window.whole:
            return parts[0][1]
        over_z, over_y = window.k2.matrix(), window.k1.matrix()
        total: torch.Tensor | float = 0.0
        for (dz, dy), part in parts:
            along_z = over_z * over_z.roll(dz, 1).conj()
            along_y = over_y * over_y.roll(dy, 1).conj()
            total = total + torch.einsum("zi,yj,ijx->zyx", along_z, along_y, part)
        return torch.as_tensor(total)


@dataclass(frozen=True, kw_only=True, eq=False)
class Direct:
    """The inverse of every column, for any lines of a plane."""

    coils: Coils
    inverse: Proximal
    weights: torch.Tensor
    """float32, [k1]."""

    name: str = "direct"

    def image(self, lines: torch.Tensor) -> torch.Tensor:
        """The image, complex64 [map, z, y, x], of lines [coil, k2, k1, x]."""
        return self.inverse(self.coils.adjoint(lines[:, 0], self.weights)).unsqueeze(1)

    def covariance(self, window: Window) -> torch.Tensor:
        """Noise covariance of the maps at each pixel of the matrix, complex64 [map, map, z, y, x].

        P A^H W A P = P - ridge P P.
        """
        sets = len(self.coils.maps)
        inverse = self.inverse.inverse
        full = inverse - self.inverse.weight * (inverse @ inverse)
        size = full.shape[-1] // sets
        blocks = full.reshape(-1, sets, size, sets, size)
        over = window.k1.matrix()
        rows = []
        for one in range(sets):
            for other in range(sets):
                block = blocks[:, one, :, other]
                at = block.diagonal(dim1=1, dim2=2) if window.whole else _quadratic(over, block)
                rows.append(at.T)
        return torch.stack(rows).reshape(sets, sets, 1, *rows[0].shape)


def _quadratic(over: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """The diagonal of Z C Z^H for each column, [x, y]."""
    return ((over @ block) * over.conj()).sum(-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradient:
    """Conjugate gradients, by transforms."""

    encoding: Encoding
    ridge: float
    name: str = "conjugate gradients"

    def image(self, lines: torch.Tensor) -> torch.Tensor:
        """The image, complex64 [map, z, y, x], of lines [coil, k2, k1, x]."""
        right = self.encoding.adjoint(lines)
        found = solve(self.encoding, right, self.ridge, iterations=ITERATIONS, tolerance=TOLERANCE)
        return self.encoding.unlay(found)

    def covariance(self, window: Window) -> torch.Tensor:
        """Unknown: the map of an image that has not converged is not that of the limit."""
        raise DataError(
            "SENSE knows no noise map of a volume whose lines are no lattice: ask for no gfactor and no snr"
        )


def plan(
    maps: torch.Tensor,
    sampled: torch.Tensor,
    ridge: float,
    *,
    frames: int,
    exact: bool,
    steps: tuple[int, int] = (1, 1),
) -> Plan:
    """The cheapest way to (A^H W A + ridge)^-1 A^H W for coil maps [map, coil, z, y, x] and lines [k2, k1].

    ``frames`` images share it; ``exact`` asks for one whose noise is known: in a volume with reference lines
    among the others that is the lattice of its ``steps`` along (k2, k1) alone.
    """
    times = sampled[sampled > 0]
    count = float(times[0])
    if bool((times == count).all()) and (fold := folding(sampled > 0)):
        return Unfolded(unfolding=unfold(maps, fold, ridge, count), lattice=sampled > 0)
    plane = sampled.shape[0] == 1
    if plane and (exact or cheaper(maps, frames)):
        coils = Coils.of(maps[:, :, 0])
        weights = sampled[0].float()
        inverse = proximal(coils.normal(weights), max(ridge, SMALLEST), len(maps))
        return Direct(coils=coils, inverse=inverse, weights=weights)
    if exact and (fold := folding(_lattice(sampled, steps))):
        lattice = _lattice(sampled, steps)
        count = float(sampled[lattice].float().mean())
        return Unfolded(unfolding=unfold(maps, fold, ridge, count), lattice=lattice)
    return Gradient(encoding=Encoding(maps=maps, weights=sampled.float()), ridge=ridge)


def _lattice(sampled: torch.Tensor, steps: tuple[int, int]) -> torch.Tensor:
    """The acquired lines of that lattice of ``steps`` (k2, k1) which has most of them, bool [k2, k1]."""
    best = torch.zeros_like(sampled, dtype=torch.bool)
    for k2 in range(steps[0]):
        for k1 in range(steps[1]):
            some = torch.zeros_like(best)
            some[k2 :: steps[0], k1 :: steps[1]] = sampled[k2 :: steps[0], k1 :: steps[1]] > 0
            best = some if int(some.sum()) > int(best.sum()) else best
    return best


def cheaper(maps: torch.Tensor, frames: int) -> bool:
    """Whether inverting every column costs fewer operations than the conjugate gradients of all frames.

    Counted in real multiplications and additions: 8 for a complex product and sum, 5 n log2 n for a
    transform. The inverse of a column takes 4/3 n^3 complex products, and one more n^2 for each frame.
    """
    sets, coils, _, size, width = maps.shape
    column = sets * size
    inverse = width * (8 * 4 / 3 * column**3 + 8 * coils * size * column)
    direct = inverse + frames * width * 8 * column**2
    transforms = 2 * 5 * size * math.log2(max(size, 2)) + 8 * (2 * sets + 1) * size
    return direct < frames * EXPECTED * coils * width * transforms * TRANSFORM


EXPECTED = 20
"""Conjugate gradients that a frame needs."""

TRANSFORM = 4.0
"""How much longer an operation of a transform takes than one of a matrix product, both at their best."""
