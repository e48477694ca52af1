"""Many tissue curves fitted at once: bounded least squares, with standard errors."""

import functools
from dataclasses import dataclass

import torch

from models.kinetics.response import Model, toeplitz, weights

ITERATIONS = 60
DIFFERENCE = 1e-5
"""Step of the derivatives, relative to the parameter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What was found for each curve."""

    parameters: torch.Tensor
    """float64, [curve, parameter]."""

    sd: torch.Tensor
    """Standard errors from the residual, float64 [curve, parameter]; infinite where the data say nothing."""

    residual: torch.Tensor
    """Root mean square of what is left [mM], float64 [curve]."""

    delay: torch.Tensor
    """[s], float64 [curve]."""

    at_bound: torch.Tensor
    """Whether a parameter ended on its bound, bool [curve, parameter]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A model, its input and what its parameters may be."""

    model: Model
    arterial: torch.Tensor
    """Input [mM], float64 [sample]."""

    step: float
    """Between samples [s]."""

    low: torch.Tensor
    high: torch.Tensor
    """Bounds, positive, float64 [parameter]."""

    def curves(self, parameters: torch.Tensor, delay: torch.Tensor) -> torch.Tensor:
        """Tissue curves [set, sample]."""
        return weights(self.model, parameters, len(self.arterial), self.step, delay) @ self.convolution

    @functools.cached_property
    def convolution(self) -> torch.Tensor:
        """The input as a matrix, see ``toeplitz``."""
        return toeplitz(self.arterial)


def fit(problem: Problem, curves: torch.Tensor, start: torch.Tensor, delay: torch.Tensor) -> Fit:
    """Least squares within bounds, from ``start`` [curve, parameter], at a given delay [curve].

    Levenberg and Marquardt on the logarithms of the parameters, every curve with a damping of its own.
    """
    curves = curves.to(torch.float64)
    low, high = problem.low.log(), problem.high.log()
    place = start.to(torch.float64).log().clamp(low, high)
    left = curves - problem.curves(place.exp(), delay)
    cost, damping = left.square().sum(1), torch.full((len(curves),), 1e-2, dtype=torch.float64)
    active = torch.ones(len(curves), dtype=torch.bool)
    for _ in range(ITERATIONS):
        rows = torch.nonzero(active)[:, 0]
        if not len(rows):
            break
        slope = _slopes(problem, place[rows], delay[rows])
        moved = _step(slope, left[rows], place[rows], damping[rows], low, high)
        rest = curves[rows] - problem.curves(moved.exp(), delay[rows])
        found = rest.square().sum(1)
        better = found < cost[rows]
        small = (cost[rows] - found).abs() <= 1e-12 * cost[rows] + 1e-30
        damping[rows] = torch.where(better, damping[rows] / 5, damping[rows] * 4).clamp(1e-12, 1e12)
        taken = rows[better]
        place[taken], left[taken], cost[taken] = moved[better], rest[better], found[better]
        active[rows] = ~((small & better) | (damping[rows] > 1e8))
    return _result(problem, place, left, delay)


def _slopes(problem: Problem, place: torch.Tensor, delay: torch.Tensor) -> torch.Tensor:
    """Derivatives with respect to the logarithms, [set, sample, parameter], by central differences."""
    sets, count = place.shape
    shift = DIFFERENCE * torch.eye(count, dtype=torch.float64)
    moved = torch.cat([place[:, None] + shift, place[:, None] - shift], 1).reshape(-1, count).exp()
    answers = problem.curves(moved, delay.repeat_interleave(2 * count)).reshape(sets, 2, count, -1)
    slopes: torch.Tensor = ((answers[:, 0] - answers[:, 1]) / (2 * DIFFERENCE)).mT
    return slopes


def _step(
    slope: torch.Tensor,
    left: torch.Tensor,
    place: torch.Tensor,
    damping: torch.Tensor,
    low: torch.Tensor,
    high: torch.Tensor,
) -> torch.Tensor:
    """Where each curve tries to go; a parameter held by its bound takes no part."""
    gradient = (slope.mT @ left[..., None])[..., 0]
    held = ((place <= low) & (gradient < 0)) | ((place >= high) & (gradient > 0))
    free = (~held).to(torch.float64)
    normal = (slope.mT @ slope) * free[:, :, None] * free[:, None]
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    extra = damping[:, None] * diagonal + 1e-12 * diagonal.amax(1, keepdim=True) + 1e-30 + held
    move: torch.Tensor = torch.linalg.solve(normal + torch.diag_embed(extra), (gradient * free)[..., None])[
        ..., 0
    ]
    moved: torch.Tensor = (place + move.clamp(-1.0, 1.0)).clamp(low, high)
    return moved


def _result(problem: Problem, place: torch.Tensor, left: torch.Tensor, delay: torch.Tensor) -> Fit:
    count, parameters = left.shape[1], place.exp()
    slope = _slopes(problem, place, delay)
    low, high = problem.low.log(), problem.high.log()
    at_bound = (place <= low) | (place >= high)
    freedom = (count - (~at_bound).sum(1)).clamp(min=1)
    variance = left.square().sum(1) / freedom
    free = (~at_bound).to(torch.float64)
    normal = (slope.mT @ slope) * free[:, :, None] * free[:, None] + torch.diag_embed(1 - free)
    inverse = torch.linalg.pinv(normal, hermitian=True)
    spread = inverse.diagonal(dim1=-2, dim2=-1).clamp(min=0) * variance[:, None]
    sd = torch.where(at_bound, torch.inf, spread.sqrt() * parameters)
    return Fit(
        parameters=parameters,
        sd=sd,
        residual=left.square().mean(1).sqrt(),
        delay=delay,
        at_bound=at_bound,
    )


def fit_delay(problem: Problem, curves: torch.Tensor, start: torch.Tensor, delays: torch.Tensor) -> Fit:
    """The fit at the delay [s], out of ``delays`` [candidate], that leaves least."""
    fits = [fit(problem, curves, start, each.expand(len(curves))) for each in delays.to(torch.float64)]
    best = torch.stack([each.residual for each in fits]).argmin(0)
    rows = torch.arange(len(curves))

    def chosen(name: str) -> torch.Tensor:
        values: torch.Tensor = torch.stack([getattr(each, name) for each in fits])[best, rows]
        return values

    return Fit(**{name: chosen(name) for name in ("parameters", "sd", "residual", "delay", "at_bound")})
