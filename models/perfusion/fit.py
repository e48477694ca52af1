"""Thousands of tissue curves fitted at once: a table's nearest curve, then downhill between its nodes."""

import math
from dataclasses import dataclass

import torch

from models.perfusion.table import Answers

LONG, SHORT = 40, 4
"""Iterations where each curve counts, and where there are many."""

COARSE = 3
"""Delays of the table from one that is tried to the next, before those between are."""

BESIDE = 5
"""How many delays of the table a pixel may be off what its surroundings have."""

CHUNK = 1 << 24
"""Distances that are computed at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior:
    """What is expected of the logarithms of the parameters, and how far they may stray from it."""

    log: torch.Tensor
    """[curve or 1, parameter]."""

    sd: torch.Tensor
    """[parameter] or [curve, parameter]; infinite: nothing is expected."""

    delay: torch.Tensor
    """Expected [s], [curve or 1]."""

    delay_sd: float
    """[s]."""

    noise: torch.Tensor
    """Standard deviation of a sample of each curve [mM], [curve or 1]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """What was found for each curve."""

    parameters: torch.Tensor
    """float64, [curve, parameter]."""

    sd: torch.Tensor
    """Standard errors from the residual, with the delay's and what was expected, [curve, parameter]; infinite
    at a bound."""

    delay: torch.Tensor
    """[s], [curve]."""

    residual: torch.Tensor
    """Root mean square of what is left [mM], [curve]."""

    at_bound: torch.Tensor
    """Whether a parameter ended at the border of the table, bool [curve, parameter]."""


def fit_all(answers: Answers, curves: torch.Tensor, prior: Prior | None = None) -> Fitted:
    """The curves [curve, moment] of [mM] by least squares: for few curves, of which each counts.

    The delay is searched outside: a fit at every third delay of the table from its nearest curve, then at
    those between beside the best one, and the vertex of the parabola through what the best one and both
    beside it leave.
    """
    known = (curves.to(torch.float64) @ answers.basis).to(torch.float32)
    count, delays = len(curves), len(answers.delays)
    rows = torch.arange(count)
    costs = torch.full((delays, count), torch.inf)
    places = torch.zeros(delays, count, len(answers.table.axes))

    def tried(at: torch.Tensor, start: torch.Tensor) -> None:
        places[at, rows], costs[at, rows] = _tried(answers, known, at, start, prior, LONG)

    coarse = torch.arange(0, delays, COARSE if delays > 2 * COARSE else 1)
    tried(coarse[:, None].expand(-1, count), _nearest(answers, known, coarse))
    if delays > 2 * COARSE:
        best = costs.argmin(0)
        beside = torch.tensor([shift for shift in range(1 - COARSE, COARSE) if shift])
        at = (best + beside[:, None]).clamp(0, delays - 1)
        tried(at, places[best, rows].expand(len(at), -1, -1))
    best = costs.argmin(0)
    if delays < 3:
        return _result(answers, curves, best, best.double(), places[best, rows], prior)
    middle = best.clamp(1, delays - 2)
    around = torch.stack([costs[middle + shift, rows] for shift in (-1, 0, 1)])
    vertex = _vertex(around)
    near = torch.stack([places[middle + shift, rows] for shift in (-1, 0, 1)])
    return _result(answers, curves, best, middle.double() + vertex, _parabola(near, vertex), prior)


def fit(answers: Answers, curves: torch.Tensor, start: Fitted, prior: Prior) -> Fitted:
    """The curves [curve, moment] of [mM] near what is known of their surroundings: for many curves.

    From ``start``, at whichever of its delay and ``BESIDE`` of the table to each side leaves least.
    """
    known = (curves.to(torch.float64) @ answers.basis).to(torch.float32)
    step = answers.delays[1] - answers.delays[0] if len(answers.delays) > 1 else torch.tensor(1.0)
    middle = ((start.delay - answers.delays[0]) / step).round().long()
    first = ((start.parameters.log() - answers.table.low.log()) / _steps(answers)).float()
    at = (middle + torch.tensor([-BESIDE, 0, BESIDE])[:, None]).clamp(0, len(answers.delays) - 1)
    places, costs = _tried(answers, known, at, first.expand(len(at), -1, -1), prior, SHORT)
    best, rows = costs.argmin(0), torch.arange(len(known))
    at, place = at[best, rows], places[best, rows]
    (place,), _ = _tried(answers, known, at[None], place[None], prior, SHORT)
    return _result(answers, curves, at, at.double(), place, prior)


def _tried(
    answers: Answers,
    known: torch.Tensor,
    delay: torch.Tensor,
    start: torch.Tensor,
    prior: Prior | None,
    iterations: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each curve from several starts [try, curve, parameter] at delays (indices) [try, curve], all at once.

    The places where they end, and what is left there, the delay's part of the prior included, [try, curve].
    """
    penalty = _penalty(answers, prior, len(known))
    expected, pull = (each.expand(start.shape).flatten(0, 1) for each in penalty)
    known = known.expand(len(start), -1, -1).flatten(0, 1)
    place, cost = _descend(answers, known, delay.flatten(), start.flatten(0, 1), expected, pull, iterations)
    return place.reshape(start.shape), cost.reshape(delay.shape) + _lateness(answers, delay, prior)


def _lateness(answers: Answers, delay: torch.Tensor, prior: Prior | None) -> torch.Tensor:
    """What the prior adds to the cost at delays (indices), [try, curve]."""
    if prior is None:
        return torch.zeros(delay.shape)
    away = (answers.delays[delay] - prior.delay) / prior.delay_sd
    return (prior.noise.square() * away.square()).float()


def _nearest(answers: Answers, known: torch.Tensor, delays: torch.Tensor) -> torch.Tensor:
    """The node of the table's nearest curve at some delays (indices), [delay, curve, parameter]."""
    found = []
    for table in answers.data[delays]:
        half = table.square().sum(1) / 2
        some = known.tensor_split(1 + len(known) * len(table) // CHUNK)
        found.append(torch.cat([(half - each @ table.mT).argmin(1) for each in some]))
    best = torch.stack(found)
    sizes = [len(axis) for axis in answers.table.axes]
    place = [(best // stride) % size for stride, size in zip(answers.strides, sizes, strict=True)]
    return torch.stack(place, -1).to(torch.float32)


def _descend(
    answers: Answers,
    known: torch.Tensor,
    delay: torch.Tensor,
    place: torch.Tensor,
    expected: torch.Tensor,
    pull: torch.Tensor,
    iterations: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Levenberg and Marquardt at given delays: places [curve, parameter] and costs [curve]."""
    last = torch.tensor([len(axis) - 1.0 for axis in answers.table.axes])
    place, damping = place.clone(), torch.full((len(known),), 1e-2)
    curve, slope = answers.at(delay, place)
    left = known - curve
    cost = left.square().sum(1) + (pull * (place - expected).square()).sum(1)
    active = torch.arange(len(known))
    for _ in range(iterations):
        if len(active) == 0:
            break
        here = place[active]
        strength = pull[active]
        gradient = (slope[active].mT @ left[active][..., None])[..., 0] - strength * (here - expected[active])
        moved = _moved(slope[active], gradient, strength, here, damping[active], last)
        curve, tilt = answers.at(delay[active], moved)
        rest = known[active] - curve
        found = rest.square().sum(1) + (strength * (moved - expected[active]).square()).sum(1)
        better = found < cost[active]
        small = (moved - here).abs().amax(1) < 3e-3
        damping[active] = torch.where(better, damping[active] / 4, damping[active] * 6).clamp(1e-6, 1e8)
        taken = active[better]
        place[taken], left[taken], slope[taken] = moved[better], rest[better], tilt[better]
        cost[taken] = found[better]
        active = active[~((small & better) | (damping[active] > 1e6))]
    return place, cost


def _penalty(answers: Answers, prior: Prior | None, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the prior is in steps of the axes, and its strength in units of the cost, [curve, parameter]."""
    width = len(answers.table.axes)
    if prior is None:
        return torch.zeros(count, width), torch.zeros(count, width)
    step = _steps(answers)
    expected = (prior.log - answers.table.low.log()) / step
    strength = prior.noise.square()[:, None] * (step / prior.sd).square()
    return expected.float().expand(count, -1), strength.float().expand(count, -1)


def _steps(answers: Answers) -> torch.Tensor:
    """One step of each axis in the logarithm of its parameter."""
    return torch.stack([(axis[1] / axis[0]).log() for axis in answers.table.axes])


def _moved(
    slope: torch.Tensor,
    gradient: torch.Tensor,
    strength: torch.Tensor,
    place: torch.Tensor,
    damping: torch.Tensor,
    last: torch.Tensor,
) -> torch.Tensor:
    """Where each curve tries to go; a parameter held by the border of the table takes no part."""
    held = ((place <= 0) & (gradient < 0)) | ((place >= last) & (gradient > 0))
    free = (~held).float()
    normal = (slope.mT @ slope + torch.diag_embed(strength)) * free[:, :, None] * free[:, None]
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    extra = damping[:, None] * diagonal + 1e-6 * diagonal.amax(1, keepdim=True) + 1e-20 + held
    step = torch.linalg.solve(normal + torch.diag_embed(extra), (gradient * free)[..., None])[..., 0]
    found: torch.Tensor = (place + step.clamp(-1.5, 1.5)).clamp(min=0).minimum(last)
    return found


def _vertex(costs: torch.Tensor) -> torch.Tensor:
    """Where the parabola through costs at -1, 0, 1 is least, within these, [curve]; costs [3, curve]."""
    before, middle, after = costs.double()
    bend = before - 2 * middle + after
    at = (before - after) / (2 * bend.clamp(min=1e-300))
    ends = torch.where(before < after, -1.0, 1.0)
    return torch.where(bend > 0, at, ends).clamp(-1, 1)


def _parabola(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Between values at -1, 0, 1, [curve, parameter]; values [3, curve, parameter]."""
    x = at[:, None].float()
    return values[0] * x * (x - 1) / 2 + values[1] * (1 - x * x) + values[2] * x * (x + 1) / 2


def _result(
    answers: Answers,
    curves: torch.Tensor,
    nearest: torch.Tensor,
    delay: torch.Tensor,
    place: torch.Tensor,
    prior: Prior | None,
) -> Fitted:
    """What places at delays (an index between those of the table) make of curves."""
    curves = curves.to(torch.float64)
    inside = curves @ answers.basis
    known = inside.to(torch.float32)
    rest = (curves.square().sum(1) - inside.square().sum(1)).clamp(min=0)
    last = torch.tensor([len(axis) - 1.0 for axis in answers.table.axes])
    place = place.clamp(min=0).minimum(last)
    curve, slope = answers.at(nearest, place)
    drift = _drift(answers, nearest, place)
    curve = curve + (delay - nearest)[:, None].float() * drift
    at_bound = (place <= 1e-3) | (place >= last - 1e-3)
    cost = (known - curve).double().square().sum(1) + rest
    freedom = (curves.shape[1] - (~at_bound).sum(1) - 1).clamp(min=1)
    step = float(answers.delays[1] - answers.delays[0]) if len(answers.delays) > 1 else 1.0
    slope = torch.cat([slope.double() / _steps(answers), drift.double()[..., None] / step], -1)
    spread = _spread(slope, at_bound, prior)
    parameters = (answers.table.low.log() + place.double() * _steps(answers)).exp()
    sd = (spread * (cost / freedom)[:, None]).sqrt() * parameters
    delays = answers.delays[0] + delay * step
    return Fitted(
        parameters=parameters,
        sd=torch.where(at_bound, math.inf, sd),
        delay=delays,
        residual=(cost / curves.shape[1]).sqrt(),
        at_bound=at_bound,
    )


def _spread(slope: torch.Tensor, at_bound: torch.Tensor, prior: Prior | None) -> torch.Tensor:
    """Variances of the parameters' logarithms over that of a sample, [curve, parameter].

    ``slope`` by these logarithms and the delay [s], [curve, rank, parameter + 1].
    """
    count = len(slope)
    free = torch.cat([(~at_bound).double(), torch.ones(count, 1, dtype=torch.float64)], 1)
    known = torch.zeros_like(free)
    if prior is not None:
        known[:, :-1] = (1 / prior.sd.double().square()).expand(count, -1)
        known[:, -1] = 1 / prior.delay_sd**2
        known *= prior.noise.double().square().expand(count)[:, None]
    normal = (slope.mT @ slope) * free[:, :, None] * free[:, None] + torch.diag_embed(1 - free + known * free)
    found: torch.Tensor = torch.linalg.pinv(normal, hermitian=True).diagonal(dim1=-2, dim2=-1)
    return found[:, :-1].clamp(min=0)


def _drift(answers: Answers, nearest: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """How the curve changes from one delay of the table to the next, [curve, rank]; 0 where there is one."""
    if len(answers.delays) < 2:
        return torch.zeros(len(place), answers.data.shape[2])
    low = (nearest - 1).clamp(min=0)
    high = (nearest + 1).clamp(max=len(answers.delays) - 1)
    found: torch.Tensor = (answers.at(high, place)[0] - answers.at(low, place)[0]) / (high - low)[:, None]
    return found
