"""Sizes and shapes of one drawn heart. Lengths [mm]; heights in units of the left ventricle's length.

Height 0 is the apex, 1 the middle of the mitral valve. u points from the septum to the lateral wall, v from
the anterior to the inferior wall; the origin is the left ventricle's axis.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from models.train.fields import Random

Wave = tuple[int, float, float]
"""(order, amplitude, angle)."""


@dataclass(frozen=True, kw_only=True)
class Disc:
    """An ellipse: centre, half axes, turned by an angle."""

    centre: tuple[float, float]
    half: tuple[float, float]
    turn: float = 0.0

    def outside(self, u: torch.Tensor, v: torch.Tensor, grow: torch.Tensor | float = 1.0) -> torch.Tensor:
        """About the distance from its edge, negative inside; ``grow`` scales size and place."""
        du, dv = u - self.centre[0] * grow, v - self.centre[1] * grow
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        a, b = (cos * du + sin * dv) / self.half[0], (cos * dv - sin * du) / self.half[1]
        return (torch.hypot(a, b) - grow) * min(self.half)


@dataclass(frozen=True, kw_only=True)
class Above:
    """An atrium or a great vessel."""

    disc: Disc
    side: Literal["left", "right"]
    """The ventricle above which it lies."""

    offset: float
    """From the height at which that ventricle ends to where it begins."""


@dataclass(frozen=True, kw_only=True)
class Heart:
    """What is drawn of a heart."""

    radius: float
    """Of the left ventricle's outer surface where it is widest."""

    length: float
    wall: float
    """Thickness of the left ventricle's muscle."""

    widest: float
    """Height of the widest place."""

    closed: float
    """Height of the cavity's lowest point."""

    narrowing: float
    """Towards the base, as a part."""

    outline: tuple[Wave, ...]
    thickness: tuple[Wave, ...]
    """How the wall's thickness changes around the axis, as a part."""

    rim: tuple[float, float]
    """How much lower the base is, in which direction."""

    right: tuple[Disc, ...]
    right_range: tuple[float, float]
    """Heights between which the right ventricle lies."""

    right_wall: float
    blend: float
    """How smoothly its parts merge."""

    above: tuple[Above, ...]
    """Atria and great vessels."""

    vessel_wall: float
    trabeculae: float
    sponge: float
    """Width of the layer of trabeculae within the wall, at mid height."""

    papillary: tuple[Disc, ...]
    """In units of the cavity's radius."""

    fat: float
    fluid: float
    """Width of fluid around the heart."""

    sac: float
    """Thickness of the pericardium, which is dark; without it the heart may merge with what it touches."""

    gap: tuple[float, float, float]
    """Where the wall cannot be seen near the base: from which height, direction and half width."""

    @property
    def reach(self) -> float:
        """All of it lies within this distance of the axis."""
        discs = [*self.right, *(each.disc for each in self.above)]
        far = max(math.hypot(*disc.centre) + max(disc.half) for disc in discs)
        return max(far, 1.2 * self.radius) + 1.8 * (self.fat + self.fluid) + self.right_wall + 3

    def profile(self, height: torch.Tensor, closed: float = 0.0) -> torch.Tensor:
        """Radius over the largest one at a height, for a surface that closes at ``closed``."""
        low = ((self.widest - height) / (self.widest - closed)).clamp(0, 1)
        high = ((height - self.widest) / (1 - self.widest)).clamp(0, 1.5)
        return (1 - low**2).sqrt() * (1 - self.narrowing * high**2)


def waves(theta: torch.Tensor, given: tuple[Wave, ...]) -> torch.Tensor:
    """1 + sum of cosines."""
    total = torch.ones_like(theta)
    for order, amplitude, angle in given:
        total = total + amplitude * torch.cos(order * (theta - angle))
    return total


def logarithmic(random: Random, low: float, high: float) -> float:
    """Between two numbers, evenly in the logarithm."""
    return float(math.exp(random.uniform(math.log(low), math.log(high))))


def draw_heart(random: Random, cavity: float, section: float) -> tuple[Heart, float]:
    """A random heart around a cavity of a radius [mm], and the thickness of its muscle [mm].

    Its muscle has a ``section`` [mm^2], that of some hearts more; it has no layer of trabeculae yet.
    """
    muscle = wall(cavity, section)
    thick = [(order, random.normal(0, 0.12 / order), random.uniform(0, 6.3)) for order in (1, 2, 3)]
    if random.random() < 0.2:
        muscle *= random.uniform(1.0, 1.6)
        thick.append((1, random.uniform(0.1, 0.5), math.pi + random.normal(0, 0.6)))
    elif random.random() < 0.2:
        thick.append((1, random.uniform(0.1, 0.5), random.uniform(0, 6.3)))
    radius = cavity + muscle
    length = float(np.clip(radius * random.uniform(1.9, 3.0), 45, 120))
    right = math.sqrt(radius * random.uniform(17, 45))
    heart = Heart(
        radius=radius,
        length=length,
        wall=muscle,
        widest=random.uniform(0.55, 0.85),
        closed=min(muscle * random.uniform(0.25, 1.1) / length, 0.3),
        narrowing=random.uniform(0.0, 0.25),
        outline=tuple(
            (order, random.normal(0, size), random.uniform(0, 6.3))
            for order, size in ((2, 0.05), (3, 0.025), (4, 0.012))
        ),
        thickness=tuple(thick),
        rim=(random.uniform(0, 0.12), math.pi + random.normal(0.6, 0.5)),
        right=_right(random, radius, right),
        right_range=(random.uniform(0.0, 0.35), random.uniform(0.85, 1.05)),
        right_wall=logarithmic(random, 1.5, 7),
        blend=random.uniform(2, 10),
        above=_above(random, radius),
        vessel_wall=random.uniform(0.8, 2.5),
        trabeculae=random.uniform(0.0, 0.3),
        sponge=0.0,
        papillary=_papillary(random, cavity),
        fat=random.uniform(0, 9),
        sac=random.uniform(0, 1.8),
        fluid=random.uniform(1, 8) if random.random() < 0.12 else 0.0,
        gap=(random.uniform(0.85, 1.05), math.pi + random.normal(0.5, 0.5), random.uniform(0.2, 0.8)),
    )
    return heart, muscle


def wall(cavity: float, section: float) -> float:
    """Thickness around a cavity's radius: a beat keeps the muscle's ``section`` [mm^2]."""
    return float(np.clip(math.sqrt(cavity**2 + section / math.pi) - cavity, 3.5, 26))


def layer(cavity: float, section: float) -> float:
    """Width of trabeculae within a cavity, at most half its radius: a beat keeps their ``section`` [mm^2]."""
    return cavity - math.sqrt(max(cavity**2 - section / math.pi, cavity**2 / 4))


def _right(random: Random, radius: float, size: float) -> tuple[Disc, ...]:
    """A body beside the septum, or a thin crescent around it; now and then an outflow tract and a corner."""
    body = Disc(
        centre=(-radius * random.uniform(0.55, 1.1), radius * random.normal(0.0, 0.2)),
        half=(size * random.uniform(0.7, 1.15), size * random.uniform(0.9, 1.5)),
        turn=random.normal(0.0, 0.3),
    )
    if random.random() < 0.2:
        shift = radius * random.uniform(0.25, 0.6)
        across = radius + random.uniform(3, 14) - shift
        half = across, across * random.uniform(0.85, 1.15)
        body = Disc(centre=(-shift, radius * random.normal(0, 0.15)), half=half)
    parts = [body]
    for chance, side in ((0.6, -1.0), (0.6, 1.0)):
        if random.random() < chance:
            centre = -radius * random.uniform(0.35, 1.15), side * radius * random.uniform(0.5, 1.1)
            half = size * random.uniform(0.3, 0.65), size * random.uniform(0.3, 0.65)
            parts.append(Disc(centre=centre, half=half))
    return tuple(parts)


def _above(random: Random, radius: float) -> tuple[Above, ...]:
    """Left atrium, right atrium, pulmonary trunk, aortic root, a vein; mostly close above ventricles."""
    unit = 0.5 * (radius + 32)
    close = random.random() < 0.75
    left: Literal["left"] = "left"
    right: Literal["right"] = "right"
    places = (
        (0.15, 0.25, 0.55, 1.0, 0.0, left),
        (-1.2, 0.35, 0.5, 0.95, 0.0, right),
        (-0.8, -0.95, 0.32, 0.55, -0.05, right),
        (-0.45, -0.25, 0.36, 0.55, -0.05, left),
        (-1.3, -0.4, 0.2, 0.4, 0.1, right),
    )
    found = []
    for u, v, low, high, height, side in places:
        if random.random() < 0.9:
            half = unit * random.uniform(low, high), unit * random.uniform(low, high)
            centre = unit * random.normal(u, 0.15), unit * random.normal(v, 0.15)
            disc = Disc(centre=centre, half=half, turn=random.uniform(0, 3.1))
            offset = height + random.normal(0.0, 0.02 if close else 0.08)
            found.append(Above(disc=disc, side=side, offset=offset))
    return tuple(found)


def _papillary(random: Random, cavity: float) -> tuple[Disc, ...]:
    """They keep their size in a beat: in a small cavity they fill much of it and lean on the wall."""
    found = []
    for angle in (0.9, -0.9, 0.2):
        if random.random() < (0.8 if abs(angle) > 0.5 else 0.3):
            turn, reach = random.normal(angle, 0.3), random.uniform(0.45, 0.95)
            half = tuple(min(random.uniform(1.5, most) / cavity, 0.45) for most in (7.0, 5.5))
            centre = reach * math.cos(turn), reach * math.sin(turn)
            found.append(Disc(centre=centre, half=(half[0], half[1]), turn=turn))
    return tuple(found)
