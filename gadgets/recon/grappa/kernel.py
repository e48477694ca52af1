"""The GRAPPA kernel: how reference lines teach the missing lines from their neighbours."""

import math
from dataclasses import dataclass

import torch

from gadgets.arrays import to_image
from gadgets.data import Reference
from gadgets.errors import DataError

POINTS = 32
"""How many points of the readout are reduced at a time; a fixed number, so that results do not vary."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernel:
    """Weights that make each missing line of each coil from acquired lines of all coils."""

    weights: torch.Tensor
    """complex64, [kx, ky, missing line, coil made, coil used]; line m lies m + 1 behind an acquired one."""

    acceleration: int

    @property
    def sources(self) -> tuple[int, int]:
        """First and last acquired line used, counted in acquired lines from the one before the gap."""
        used = self.weights.shape[1]
        return -((used - 1) // 2), used // 2

    @property
    def lags(self) -> range:
        """Shifts along k0 from a sample made to those used."""
        return _lags(self.weights.shape[0])

    def over_x(self, points: int) -> torch.Tensor:
        """The weights at each position of the readout, complex64 [x, ky, missing line, coil made, coil used].

        A convolution along k0 is a product along x: W(x) = sum_d w(d) exp(-2 pi i d (x - n // 2) / n).
        """
        return self.at(torch.arange(points, dtype=torch.float64) - points // 2, points)

    def at(self, places: torch.Tensor, points: int) -> torch.Tensor:
        """The same at some places, in pixels from the centre n // 2 of a readout of n = ``points``."""
        waves = _waves(self.lags, places.to(self.weights.device), points)
        weights: torch.Tensor = torch.tensordot(waves, self.weights, dims=1)
        return weights

    def by_lag(self, places: torch.Tensor, points: int) -> torch.Tensor:
        """The same before the sum over d, complex64 [x, d, ky, missing line, coil made, coil used]."""
        waves = _waves(self.lags, places.to(self.weights.device), points)
        return waves[:, :, None, None, None, None] * self.weights


def calibrate(
    reference: Reference, acceleration: int, size: tuple[int, int], regularization: float
) -> Kernel:
    """The kernel of ``size`` (k0, k1) that predicts the reference lines best.

    Solves (A^H A + lambda trace(A^H A) / n) w = A^H b, where each row of A holds the samples used and b the
    sample made; all reference lines count, with the readout taken as periodic. The products are formed over
    x, where a shift along k0 is a phase, so that A itself is never built (Griswold et al., MRM 47:1202,
    2002). Raises DataError for too few lines.
    """
    width, used = size
    data = reference.data if reference.transformed else to_image(reference.data)
    coils, points = data.shape[0], data.shape[-1]
    _check(data.shape[-2], used, acceleration)
    sources, targets = _lines(data, used, acceleration)
    products = _products(sources, targets, width, points)
    columns = used * coils
    lags = _lags(width)
    normal = _toeplitz(products[..., :columns], width)
    right = torch.cat([products[width - 1 - lag, :, columns:] for lag in lags]).to(torch.complex128)
    normal.diagonal().add_(regularization * float(normal.diagonal().real.mean()))
    factor, failed = torch.linalg.cholesky_ex(normal)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise DataError(
            f"the reference lines do not determine a kernel: lambda = {regularization} is too small"
        )
    solution = torch.cholesky_solve(right, factor).to(torch.complex64)
    weights = solution.reshape(width, used, coils, acceleration - 1, coils).permute(0, 1, 3, 4, 2)
    return Kernel(weights=weights.contiguous(), acceleration=acceleration)


def _check(lines: int, used: int, acceleration: int) -> None:
    needed = (used - 1) * acceleration + 1
    if lines < needed:
        raise DataError(
            f"GRAPPA needs (ky - 1) R + 1 = {needed} consecutive reference lines at R = {acceleration}, "
            f"got {lines}"
        )


def _lags(width: int) -> range:
    return range(-((width - 1) // 2), width // 2 + 1)


def _waves(lags: range, places: torch.Tensor, points: int) -> torch.Tensor:
    """exp(-2 pi i d x / n) for places x from the centre, complex64 [x, d]."""
    shifts = torch.tensor(list(lags), dtype=torch.float64, device=places.device)
    angle = -2 * math.pi / points * torch.outer(places, shifts)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def _lines(data: torch.Tensor, used: int, acceleration: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All positions of the kernel along k1: lines used and lines made, [x, position, line and coil]."""
    lines = data.permute(3, 1, 2, 0)
    positions = lines.shape[2] - (used - 1) * acceleration
    gap = (used - 1) // 2 * acceleration

    def at(starts: range) -> torch.Tensor:
        chosen = torch.stack([lines[:, :, start : start + positions] for start in starts], 3)
        return chosen.reshape(lines.shape[0], -1, len(starts) * lines.shape[3])

    return at(range(0, used * acceleration, acceleration)), at(range(gap + 1, gap + acceleration))


def _products(sources: torch.Tensor, targets: torch.Tensor, width: int, points: int) -> torch.Tensor:
    """Sums over k0 and positions of conj(source at k0) times source and target at k0 + lag.

    complex64 [lag from 1 - width to width - 1, source, source and target].
    """
    places = torch.arange(points, dtype=torch.float64, device=sources.device) - points // 2
    waves = _waves(range(1 - width, width), places, points).T
    shape = (sources.shape[2], sources.shape[2] + targets.shape[2])
    total = sources.new_zeros((len(waves), shape[0] * shape[1]))
    for start in range(0, points, POINTS):
        some = slice(start, start + POINTS)
        both = torch.cat([sources[some], targets[some]], 2)
        total += waves[:, some] @ (sources[some].mH @ both).flatten(1)
    return total.reshape(len(waves), *shape)


def _toeplitz(products: torch.Tensor, width: int) -> torch.Tensor:
    """A^H A, complex128, from its blocks by lag."""
    rows = [torch.cat([products[width - 1 + j - i] for j in range(width)], 1) for i in range(width)]
    return torch.cat(rows).to(torch.complex128)
