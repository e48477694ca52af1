"""How a frame is solved: by unfolding, by the inverse of each column, or by conjugate gradients."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from gadgets.errors import DataError
from gadgets.recon.sense.encoding import Encoding, solve
from gadgets.recon.sense.noise import Correlated
from gadgets.recon.sense.unfold import SMALLEST, Unfolding, folding, unfold
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

    def correlated(self, one: int = 0, other: int = 0) -> Correlated:
        """By shift d, (0, 0) first, the noise covariance of pixels r of map ``one`` and r - d of ``other``.

        complex64 [z, y, x] on the window's grid, of the real part as of the imaginary part; pixels of other
        distance have none.
        """


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

    def correlated(self, one: int = 0, other: int = 0) -> Correlated:
        """Those pixels correlate that fold on one another."""
        return self.unfolding.covariance(one, other)


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

    def correlated(self, one: int = 0, other: int = 0) -> Correlated:
        """All pixels of a column correlate: P A^H W A P = P - ridge P P; 0 where there are no maps.

        There both terms are 1 / ridge, and what is left of them would be their rounding.
        """
        size = self.coils.maps.shape[-2]
        rows, columns = slice(one * size, (one + 1) * size), slice(other * size, (other + 1) * size)
        inverse = self.inverse.inverse
        block = inverse[:, rows, columns] - self.inverse.weight * (inverse[:, rows] @ inverse[:, :, columns])
        there = (self.coils.maps != 0).any(1).mT
        index = torch.arange(size)
        for d in range(size):
            moved = (index - d) % size
            both = there[one] & there[other][:, moved]
            yield (0, d), torch.where(both, block[:, index, moved], 0).T.unsqueeze(0)


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

    def correlated(self, one: int = 0, other: int = 0) -> Correlated:
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
