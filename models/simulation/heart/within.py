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

BASE = 0.5
"""How deep trabeculae reach at the base, as a part of how deep they reach from the widest place down."""

MOST = 0.5
"""Papillary muscles and trabeculae are at most this part of the end-systolic volume. Where they count as
muscle, the ejection fraction is 7.5 points higher (Chuang et al., JACC Imaging 5 (2012) 1115): if it goes
from 0.65 to 0.725 with 23 % less volume at end-diastole, they are two fifths of the end-systolic volume."""


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Papillary muscles and trabeculae, by their share of the wall's volume, with which theirs goes.

    Papillary muscles were 8.9 % of the left ventricle's mass and correlated with that of the wall by 0.81
    (Vogel-Claussen et al., 2006, 100 people), and made it 8.7 +- 2.6 and 9.5 +- 1.8 % larger (Gommans et al.,
    Neth Heart J 24 (2016) 326). Both together made it 28 % larger and were 23 +- 3 % of the end-diastolic
    volume (Chuang et al., 685 healthy people; by threshold, so with some of the blood between them).
    """

    papillary: float = 0.09
    trabeculae: float = 0.16
    angles: tuple[float, float] = (2.35, -2.2)
    """Where papillary muscles lie around the axis [rad]."""


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


def volumes(strands: Strands, heart: Ventricles) -> tuple[float, float]:
    """Of papillary muscles and of trabeculae [m^3], at every moment."""
    wanted = strands.papillary * heart.muscle, strands.trabeculae * heart.muscle
    part = min(1.0, MOST * heart.esv / max(sum(wanted), 1e-12))
    return wanted[0] * part, wanted[1] * part


@lru_cache(maxsize=256)
def _sizes(strands: Strands, heart: Ventricles, moment: Moment) -> _Sizes:
    """Sizes that give both their volume."""
    papillary, trabeculae = volumes(strands, heart)
    bundles, layer, volume = _sampled(strands, heart, moment)
    thick = _filled(bundles, volume, papillary)
    return _Sizes(papillary=thick, trabeculae=_filled(layer, volume * (bundles > thick), trabeculae))


def _sampled(
    strands: Strands, heart: Ventricles, moment: Moment
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Both measures at points that fill the cavity, and the points' volumes [m^3]; float64."""
    counts = ANGLES, HEIGHTS, RINGS
    parts = [(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in counts]
    around, up, across = torch.meshgrid(*parts, indexing="ij")
    theta = (2 * around - 1) * math.pi
    tall = moment.inner.depth + moment.inner.rim(theta)
    z = up * tall - moment.inner.depth
    inner = moment.inner.squared(theta, z)
    volume = inner / 2 * (2 * math.pi / ANGLES) * (tall / HEIGHTS) / RINGS
    bundles = _bundles(theta, z, across * inner, strands, moment)
    layer = _layer(theta, z, across * inner, heart, moment)
    return bundles.flatten(), layer.flatten(), volume.flatten()


def _filled(measure: torch.Tensor, volume: torch.Tensor, wanted: float) -> float:
    """Below which measure the points have this volume together; 0 if none is wanted.

    The largest finite one where all that may be muscle have less.
    """
    order = measure.argsort()
    reached = int(torch.searchsorted(volume[order].cumsum(0), wanted))
    last = int(measure.isfinite().sum()) - 1
    return float(measure[order[min(reached, last)]]) if wanted else 0.0


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
    """How deep trabeculae reach that just come to a point, as a part of the section where it is widest.

    Their pattern goes with the wall as the long axis shortens.
    """
    height = z * (heart.at(0.0).inner.depth / moment.inner.depth)
    rough = 0.5 + 0.5 * torch.sin(9 * theta + 130 * height) * torch.sin(5 * theta - 210 * height)
    depth = 1 - squared / moment.inner.squared(theta, z).clamp_min(1e-12)
    fade = 1 - (1 - BASE) * (z / moment.inner.base).clamp(0, 1)
    return depth / (rough * fade).clamp_min(1e-6)
