"""The heart of a drawn slice, painted into a map of parts; and its labels."""

import math
from dataclasses import dataclass

import torch

from models.train.shortaxis.shape import Heart, waves
from models.train.shortaxis.tissue import Part

CAVITY, MUSCLE, RIGHT = 1, 2, 3
"""Labels; 0 is everything else. Papillary muscles and trabeculae belong to the cavity."""


GROOVE = 0.08
"""How far the fat between ventricles and atria goes up."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A slice through a heart: points [layer, y, x]."""

    u: torch.Tensor
    v: torch.Tensor
    height: torch.Tensor
    rough: torch.Tensor
    """A field of sd 1 with details of a few mm, [y, x]."""

    broad: torch.Tensor
    """The same with details of a few cm."""

    middle: float
    """Height of the slice's middle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Radii:
    """Polar coordinates about the left ventricle's axis and its surfaces there."""

    theta: torch.Tensor
    distance: torch.Tensor
    outer: torch.Tensor
    inner: torch.Tensor
    right: torch.Tensor
    """Distance from the right ventricle's surface, negative inside."""


def paint(parts: torch.Tensor, at: Section, heart: Heart) -> torch.Tensor:
    """Paint the heart over ``parts`` (uint8 [layer, y, x]); the labels of its pixels, uint8 [y, x]."""
    radii = _radii(at, heart)
    rim = 1 - heart.rim[0] * torch.cos(radii.theta - heart.rim[1])
    below = (at.height < rim) & (at.height > 0)
    right = (radii.right < 0) & (radii.distance > radii.outer) & _between(at.height, heart)
    around = torch.minimum(radii.distance - radii.outer, radii.right)
    _wrap(parts, at, heart, around)
    _above(parts, at, heart, rim)
    wall = (radii.right < heart.right_wall) & (radii.distance > radii.outer) & _between(at.height, heart)
    fill(parts, wall, Part.RIGHT_WALL)
    fill(parts, right, Part.RIGHT_BLOOD)
    rough = at.rough * (1.6 - at.height).clamp(0.3, 1.6)
    fill(parts, right & (radii.right + 6 * heart.trabeculae * rough * 3 > 0.0), Part.TRABECULA)
    muscle = below & (radii.distance <= radii.outer)
    cavity = muscle & (radii.distance < radii.inner)
    fill(parts, muscle & ~_gap(at, heart, radii), Part.MYOCARDIUM)
    fill(parts, cavity, Part.LEFT_BLOOD)
    _within(parts, at, heart, radii, cavity, rough)
    return _labels(muscle & ~cavity, cavity, right)


def _radii(at: Section, heart: Heart) -> _Radii:
    theta, distance = torch.atan2(at.v, at.u), torch.hypot(at.u, at.v)
    outline = waves(theta, heart.outline)
    outer = heart.radius * heart.profile(at.height) * outline
    thin = heart.wall * waves(theta, heart.thickness).clamp(0.35, 2.5)
    shape = (heart.profile(at.height, heart.closed) / heart.profile(at.height).clamp_min(1e-3)).clamp(0, 1)
    inner = ((outer - thin) * shape).clamp_min(0)
    low = heart.right_range[0]
    size = (1 - ((0.75 - at.height) / (0.75 - low)).clamp(0, 1) ** 2).sqrt()
    found = heart.right[0].outside(at.u, at.v, 0.25 + 0.75 * size)
    for disc in heart.right[1:]:
        found = _merge(found, disc.outside(at.u, at.v, size.clamp_min(0.05)), heart.blend)
    return _Radii(theta=theta, distance=distance, outer=outer, inner=inner, right=found + (size < 0.05) * 1e3)


def _merge(one: torch.Tensor, other: torch.Tensor, blend: float) -> torch.Tensor:
    """The union of two shapes, rounded where they meet (Quilez' polynomial minimum)."""
    part = (0.5 + 0.5 * (other - one) / blend).clamp(0, 1)
    return other + (one - other) * part - blend * part * (1 - part)


def _between(height: torch.Tensor, heart: Heart) -> torch.Tensor:
    low, high = heart.right_range
    return (height > low) & (height < high)


def _wrap(parts: torch.Tensor, at: Section, heart: Heart, around: torch.Tensor) -> None:
    """Pericardium, fat and fluid around both ventricles, thicker here and there; fat alone above them."""
    reach = (at.height > -0.1) & (at.height < 1 + GROOVE)
    fat = heart.fat * (1 + 0.6 * at.broad)
    fill(parts, reach & (around < heart.fluid + fat + heart.sac), Part.PERICARDIUM)
    fill(parts, reach & (around < heart.fluid + fat), Part.FAT)
    if heart.fluid:
        fill(parts, reach & (around.abs() < heart.fluid * (1 + 0.6 * at.broad)), Part.FLUID)


def _above(parts: torch.Tensor, at: Section, heart: Heart, rim: torch.Tensor) -> None:
    """Atria and vessels in fat, each from where its ventricle ends; the walls of later ones are whole."""
    if float(at.height.amax()) < 0.75:
        return
    ends = {"left": rim, "right": torch.full_like(rim, heart.right_range[1])}
    seen = [
        (each.disc.outside(at.u, at.v), at.height > ends[each.side] + each.offset) for each in heart.above
    ]
    for away, high in seen:
        fill(parts, high & (away < heart.fat + 1.5), Part.FAT)
    for index, (away, high) in enumerate(seen):
        fill(parts, high & (away < heart.vessel_wall), Part.MUSCLE)
        fill(parts, high & (away < 0), Part.ROOT if index % 2 else Part.ATRIUM)


def _gap(at: Section, heart: Heart, radii: _Radii) -> torch.Tensor:
    """Where the wall near the base is too thin to be seen."""
    height, angle, half = heart.gap
    away = torch.remainder(radii.theta - angle + math.pi, 2 * math.pi) - math.pi
    return (at.height > height) & (away.abs() < half)


def _within(
    parts: torch.Tensor, at: Section, heart: Heart, radii: _Radii, cavity: torch.Tensor, rough: torch.Tensor
) -> None:
    inner = radii.inner.clamp_min(1e-3)
    depth = radii.distance / inner
    fill(parts, cavity & (depth + heart.trabeculae * rough > 1.02), Part.TRABECULA)
    layer = heart.sponge * (1.5 - at.height).clamp(0.2, 1.5) * (1 + 0.5 * at.broad + 0.4 * at.rough)
    fill(parts, cavity & (inner - radii.distance < torch.minimum(layer, 0.5 * inner)), Part.TRABECULA)
    if 0.15 < at.middle < 0.85:
        u, v = at.u / inner, at.v / inner
        for disc in heart.papillary:
            fill(parts, cavity & (disc.outside(u, v) < 0), Part.TRABECULA)


def _labels(wall: torch.Tensor, cavity: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The label that most of each pixel has, of masks [layer, y, x].

    A slice through the valve's plane has the part of the ventricle that lies below it: whether it counts is
    for those to say who measure.
    """
    shares = torch.stack([part.float().mean(0) for part in (cavity, wall, right)])
    best, which = shares.max(0)
    return torch.where(best >= 0.5, which + 1, 0).to(torch.uint8)


def fill(parts: torch.Tensor, where: torch.Tensor, part: Part) -> None:
    """Paint a part over what is there."""
    parts.masked_fill_(where, int(part))
