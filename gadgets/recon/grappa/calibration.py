"""Calibration: how reference lines teach the missing lines from their neighbours."""

import torch

from gadgets.arrays import to_image
from gadgets.data import Reference
from gadgets.errors import DataError
from gadgets.recon.grappa.kernel import Kernel, Size, groups, lags, waves
from gadgets.recon.grappa.neighbours import Neighbours
from gadgets.recon.grappa.steps import Steps
from gadgets.recon.grappa.weighting import even, weighted

POINTS = 32
"""How many points of the readout are reduced at a time; a fixed number, so that results do not vary."""

ROUNDING = 1e-4
"""Of the diagonal: a chosen regularisation need not be larger than this for products in single precision."""


def calibrate(
    reference: Reference, steps: Steps, size: Size, regularization: float | None, *, kept: bool = True
) -> Kernel:
    """The kernel of ``size`` (k0, k1, k2) that predicts the reference lines best.

    With a regularisation it solves (A^H A + lambda mean(diag A^H A)) w = A^H b, where each row of A holds
    the samples used and b the sample made; all reference lines count alike, with the readout taken as
    periodic (Griswold et al., MRM 47:1202, 2002). Without one, the rows are weighted, and lambda chosen, by
    the noise (see ``weighting``); ``kept``: the image keeps the reference lines.

    Raises DataError for too few lines.
    """
    solved = []
    for group in groups(steps, size):
        _check(reference, group, steps)
        if regularization is None and kept:
            solved.append(weighted(reference, group, size[0]))
        else:
            least = even(reference) if regularization is None else regularization
            most = ROUNDING if regularization is None else least
            solved.append(_regularized(reference, group, size[0], least, most))
    return Kernel(
        steps=steps,
        groups=groups(steps, size),
        size=size,
        weights=tuple(weights for weights, _ in solved),
        regularization=max((used for _, used in solved), default=0.0),
    )


def _check(reference: Reference, group: Neighbours, steps: Steps) -> None:
    (low2, low1), (high2, high1) = group.box
    there, needed = reference.data.shape[1:3], (high2 - low2 + 1, high1 - low1 + 1)
    if there[0] >= needed[0] and there[1] >= needed[1]:
        return
    if steps.k2 == 1 and steps.shift == 0:
        raise DataError(
            f"GRAPPA needs (ky - 1) R + 1 = {needed[1]} consecutive reference lines at R = {steps.k1}, "
            f"got {there[1]}"
        )
    raise DataError(
        f"GRAPPA needs {needed[1]} x {needed[0]} reference lines (k1 x k2) at R = {steps.acceleration}, got "
        f"{there[1]} x {there[0]}"
    )


def _regularized(
    reference: Reference, group: Neighbours, width: int, regularization: float, most: float
) -> tuple[torch.Tensor, float]:
    """The products are formed over x, where a shift along k0 is a phase, so that A itself is never built.

    A regularisation that is lost in their rounding is raised, up to ``most``.
    """
    data = reference.data if reference.transformed else to_image(reference.data)
    coils, points = data.shape[0], data.shape[-1]
    sources, targets = _lines(data, group)
    products = _products(sources, targets, width, points)
    columns = sources.shape[2]
    normal = _toeplitz(products[..., :columns], width)
    right = torch.cat([products[width - 1 - lag, :, columns:] for lag in lags(width)]).to(torch.complex128)
    level, added = float(normal.diagonal().real.mean()), 0.0
    while True:
        normal.diagonal().add_((regularization - added) * level)
        factor, failed = torch.linalg.cholesky_ex(normal)
        wrong = bool(failed) or not bool(torch.isfinite(factor).all())
        if not wrong or not 0 < 4 * regularization <= most:
            break
        regularization, added = 4 * regularization, regularization
    if wrong:
        raise DataError(
            f"the reference lines do not determine a kernel: lambda = {regularization} is too small"
        )
    solution = torch.cholesky_solve(right, factor).to(torch.complex64)
    shape = (width, len(group.sources), coils, len(group.targets), coils)
    return solution.reshape(shape).permute(0, 1, 3, 4, 2).contiguous(), regularization


def _lines(data: torch.Tensor, group: Neighbours) -> tuple[torch.Tensor, torch.Tensor]:
    """All positions of the kernel: lines used and lines made, [x, position, line and coil]."""
    lines = data.permute(3, 1, 2, 0)
    (low2, low1), (high2, high1) = group.box
    count2, count1 = lines.shape[1] - (high2 - low2), lines.shape[2] - (high1 - low1)

    def at(places: tuple[tuple[int, int], ...]) -> torch.Tensor:
        chosen = [
            lines[:, k2 - low2 : k2 - low2 + count2, k1 - low1 : k1 - low1 + count1] for k2, k1 in places
        ]
        return torch.stack(chosen, 3).reshape(lines.shape[0], count2 * count1, -1)

    return at(group.sources), at(group.targets)


def _products(sources: torch.Tensor, targets: torch.Tensor, width: int, points: int) -> torch.Tensor:
    """Sums over k0 and positions of conj(source at k0) times source and target at k0 + lag.

    complex64 [lag from 1 - width to width - 1, source, source and target].
    """
    places = torch.arange(points, dtype=torch.float64, device=sources.device) - points // 2
    turns = waves(range(1 - width, width), places, points).T
    shape = (sources.shape[2], sources.shape[2] + targets.shape[2])
    total = sources.new_zeros((len(turns), shape[0] * shape[1]))
    for start in range(0, points, POINTS):
        some = slice(start, start + POINTS)
        both = torch.cat([sources[some], targets[some]], 2)
        total += turns[:, some] @ (sources[some].mH @ both).flatten(1)
    return total.reshape(len(turns), *shape)


def _toeplitz(products: torch.Tensor, width: int) -> torch.Tensor:
    """A^H A, complex128, from its blocks by lag."""
    rows = [torch.cat([products[width - 1 + j - i] for j in range(width)], 1) for i in range(width)]
    return torch.cat(rows).to(torch.complex128)
