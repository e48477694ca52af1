"""Papillary muscles and trabeculae: muscle in the left cavity, whose volume no beat changes.

Muscle is incompressible: while the cavity empties they thicken, and fill more of what is left of it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from models.simulation.heart.beating import Moment, Ventricles

ANGLES, HEIGHTS, RINGS = 90, 60, 40
"""Of the quadrature of their volumes, which are so known to some 0.5 %."""

LOW, HIGH = -0.55, 0.15
"""Where papillary muscles begin and end, in parts of the cavity's depth."""


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Sizes of papillary muscles and trabeculae at end-diastole."""

    papillary: float = 0.0042
    """Radius of a papillary muscle, where it is thickest [m]."""

    angles: tuple[float, float] = (2.35, -2.2)
    """Where papillary muscles lie around the axis [rad]."""

    trabeculae: float = 0.16
    """How deep trabeculae reach into the cavity, as a part of its section; below the widest place only."""


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Up to where ``_bundles`` and ``_layer`` are muscle at a moment."""

    papillary: float
    trabeculae: float


def muscular(
    theta: torch.Tensor,
    z: torch.Tensor,
    squared: torch.Tensor,
    strands: Strands,
    heart: Ventricles,
    moment: Moment,
) -> torch.Tensor:
    """Which points of the left cavity are papillary muscle or trabecula at a moment.

    Angles, heights above the widest place and squared distances from the axis, of one shape.
    """
    sizes = _sizes(strands, heart, moment)
    bundles = _bundles(theta, z, squared, strands, moment) <= sizes.papillary
    return bundles | (_layer(theta, z, squared, heart, moment) < sizes.trabeculae)


@lru_cache(maxsize=256)
def _sizes(strands: Strands, heart: Ventricles, moment: Moment) -> _Sizes:
    """Sizes that give both the volume that they have at end-diastole, or all that the cavity holds."""
    given = _Sizes(papillary=strands.papillary**2, trabeculae=strands.trabeculae)
    rest = heart.at(0.0)
    if moment == rest:
        return given
    bundles, layer, volume = _sampled(strands, heart, rest)
    papillary = bundles <= given.papillary
    trabeculae = ~papillary & (layer < given.trabeculae)
    wanted = float(volume[papillary].sum()), float(volume[trabeculae].sum())
    bundles, layer, volume = _sampled(strands, heart, moment)
    thick = _filled(bundles, volume, wanted[0])
    return _Sizes(papillary=thick, trabeculae=_filled(layer, volume * (bundles > thick), wanted[1]))


def _sampled(
    strands: Strands, heart: Ventricles, moment: Moment
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Both measures at points that fill the cavity up to ``HIGH``, and the points' volumes [m^3]; float64."""
    counts = ANGLES, HEIGHTS, RINGS
    parts = [(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in counts]
    around, up, across = torch.meshgrid(*parts, indexing="ij")
    theta = (2 * around - 1) * math.pi
    tall = (1 + HIGH) * moment.inner.depth
    z = up * tall - moment.inner.depth
    inner = moment.inner.squared(theta, z)
    volume = inner / 2 * (2 * math.pi / ANGLES) * (tall / HEIGHTS) / RINGS
    bundles = _bundles(theta, z, across * inner, strands, moment)
    layer = _layer(theta, z, across * inner, heart, moment)
    return bundles.flatten(), layer.flatten(), volume.flatten()


def _filled(measure: torch.Tensor, volume: torch.Tensor, wanted: float) -> float:
    """Below which measure the points have this volume together; the largest one if all have less."""
    order = measure.argsort()
    reached = int(torch.searchsorted(volume[order].cumsum(0), wanted))
    return float(measure[order[min(reached, len(order) - 1)]])


def _bundles(
    theta: torch.Tensor, z: torch.Tensor, squared: torch.Tensor, strands: Strands, moment: Moment
) -> torch.Tensor:
    """Squared radius of papillary muscles that just reach a point [m^2]; infinite beyond their ends."""
    middle, half = (LOW + HIGH) / 2, (HIGH - LOW) / 2
    profile = 1 - ((z / moment.inner.depth - middle) / half) ** 2
    away = torch.full_like(squared, torch.inf)
    for angle in strands.angles:
        reach = 0.70 * moment.inner.squared(torch.tensor(angle), z).sqrt()
        nearer = squared + reach**2 - 2 * reach * squared.sqrt() * torch.cos(theta - angle)
        away = torch.minimum(away, nearer)
    return torch.where(profile > 0, away / profile, torch.inf)


def _layer(
    theta: torch.Tensor, z: torch.Tensor, squared: torch.Tensor, heart: Ventricles, moment: Moment
) -> torch.Tensor:
    """How deep trabeculae reach that just come to a point, as a part of the section; infinite above.

    Their pattern goes with the wall as the long axis shortens.
    """
    height = z * (heart.at(0.0).inner.depth / moment.inner.depth)
    rough = 0.5 + 0.5 * torch.sin(9 * theta + 130 * height) * torch.sin(5 * theta - 210 * height)
    depth = 1 - squared / moment.inner.squared(theta, z).clamp_min(1e-12)
    return torch.where(z < 0, depth / rough.clamp_min(1e-6), torch.inf)
