"""One drawn slice through a heartbeat: images as a scanner would give them, and their labels."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from models.train.fields import Random
from models.train.shortaxis import chest, layout
from models.train.shortaxis.appearance import scene
from models.train.shortaxis.beat import Beat, draw_beat
from models.train.shortaxis.field import smooth
from models.train.shortaxis.layout import Section
from models.train.shortaxis.shape import Heart, logarithmic
from models.train.shortaxis.tissue import Part

SIZE = 160
"""Pixels of a slice along each side."""

FINE = 220
"""Points that it is laid out on."""

LAYERS = 3

MOMENTS = 3
"""About end-diastole, about end-systole, and any other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A slice."""

    images: torch.Tensor
    """float32 [moment, y, x], not negative."""

    labels: torch.Tensor
    """uint8 [moment, y, x]."""

    pixel: float
    """Side of a pixel [mm]."""


@dataclass(frozen=True, kw_only=True)
class _View:
    """Where the slice lies."""

    fov: float
    centre: tuple[float, float]
    """Of the left ventricle, in parts of the field of view from its middle."""

    turn: float
    mirror: bool
    height: float
    thickness: float
    tilt: tuple[float, float]


def draw(random: Random) -> Drawn:
    """A random slice of a random heart."""
    beat, view = draw_beat(random), _view(random)
    u, v = _points(random, view)
    chest_ = torch.zeros(FINE, FINE, dtype=torch.uint8)
    depth = chest.paint(chest_, u, v, random, _size(random, beat.heart, view.height), view.height)
    look, box = scene(depth, random, SIZE, view.fov), _box(u, v, beat.heart.reach)
    around = _around(random, view)
    images, labels = [], []
    for moment, contraction in enumerate(_contractions(random)):
        layers, named = chest_.repeat(LAYERS, 1, 1), torch.zeros_like(chest_)
        if box:
            at = _section(u[box], v[box], beat, view, around, contraction)
            named[box] = layout.paint(layers[:, *box], at, beat.at(contraction))
        images.append(look.image(layers, random, moment, beat.squeezed * contraction))
        labels.append(_coarse(named))
    return Drawn(images=torch.stack(images), labels=torch.stack(labels), pixel=view.fov / SIZE)


def _contractions(random: Random) -> tuple[float, float, float]:
    """Of the moments: where the first two should be end-diastole and end-systole, they mostly are."""
    if random.random() < 0.08:
        return random.random(), random.random(), random.random()
    first = 0.0 if random.random() < 0.7 else random.uniform(0, 0.15)
    last = 1.0 if random.random() < 0.6 else random.uniform(0.75, 1.0)
    return first, last, random.random()


def _size(random: Random, heart: Heart, height: float) -> float:
    """How far from the axis the surroundings lie: at the apex, where the heart is narrow, some touch it."""
    narrow = float(heart.profile(torch.tensor(height))) if 0 < height < 1 else float(height >= 1)
    return max(heart.radius * (narrow + (1 - narrow) * random.random()) * random.uniform(0.8, 1.15), 5.0)


def _box(u: torch.Tensor, v: torch.Tensor, reach: float) -> tuple[slice, slice] | None:
    """The rows and columns in which the heart lies; None where it is outside the window."""
    near = (u.abs() < reach) & (v.abs() < reach)
    rows, columns = (near.any(axis).nonzero().flatten() for axis in (1, 0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Around:
    """What is random of a section, alike at all moments: its turn, and fields for small details, [y, x]."""

    own: float
    rough: torch.Tensor
    broad: torch.Tensor


def _around(random: Random, view: _View) -> _Around:
    rough, broad = (
        smooth(random, FINE, random.uniform(*cell) * FINE / view.fov) for cell in ((2.5, 6), (8, 22))
    )
    return _Around(own=random.normal(0, 0.25), rough=rough, broad=broad)


def _section(
    u: torch.Tensor, v: torch.Tensor, beat: Beat, view: _View, around: _Around, contraction: float
) -> Section:
    offsets = (torch.arange(LAYERS) - (LAYERS - 1) / 2) / LAYERS * view.thickness
    slope = view.tilt[0] * u + view.tilt[1] * v
    turn = around.own + beat.turn * contraction
    cos, sin = math.cos(turn), math.sin(turn)
    u, v = u - beat.shift[0] * contraction, v - beat.shift[1] * contraction
    rows, columns = u.shape
    middle = beat.height(view.height, contraction)
    length = beat.heart.length * (1 - beat.shortening * contraction)
    return Section(
        u=(cos * u + sin * v).expand(LAYERS, -1, -1),
        v=(cos * v - sin * u).expand(LAYERS, -1, -1),
        height=middle + (offsets[:, None, None] + slope) / length,
        rough=around.rough[:rows, :columns],
        broad=around.broad[:rows, :columns],
        middle=middle,
    )


def _view(random: Random) -> _View:
    """Any place of the heart in the window; mostly near the usual orientation."""
    usual = random.random() < 0.6
    turn = random.normal(0, 0.35) if usual else random.uniform(0, 2 * math.pi)
    tilt, towards = math.tan(random.normal(0, 0.12)), random.uniform(0, 2 * math.pi)
    kind = random.random()
    ranges = (0.03, 0.95) if kind < 0.44 else (0.82, 1.1) if kind < 0.8 else (1.0, 1.5)
    low, high = ranges if kind < 0.93 else (-0.5, 0.05)
    return _View(
        fov=SIZE * logarithmic(random, 1.1, 1.9),
        centre=(random.uniform(-0.28, 0.28), random.uniform(-0.28, 0.28)),
        turn=turn,
        mirror=bool(not usual and random.random() < 0.5),
        height=random.uniform(low, high),
        thickness=random.uniform(5, 10),
        tilt=(tilt * math.cos(towards), tilt * math.sin(towards)),
    )


def _points(random: Random, view: _View) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of the fine points [mm], warped a little."""
    axis = ((torch.arange(FINE) + 0.5) / FINE - 0.5) * view.fov
    y, x = axis[:, None] - view.centre[0] * view.fov, axis[None] - view.centre[1] * view.fov
    if view.mirror:
        x = -x
    cos, sin = math.cos(view.turn), math.sin(view.turn)
    u, v = cos * x + sin * y, cos * y - sin * x
    size, cell = random.uniform(0, 2.2), random.uniform(18, 45) * FINE / view.fov
    return u + size * smooth(random, FINE, cell), v + size * smooth(random, FINE, cell)


@lru_cache(maxsize=1)
def _nearest() -> torch.Tensor:
    return ((torch.arange(SIZE) + 0.5) * FINE / SIZE - 0.5).round().long()


def _coarse(labels: torch.Tensor) -> torch.Tensor:
    near = _nearest()
    return labels[near][:, near].contiguous()


__all__ = ["SIZE", "Drawn", "Part", "draw"]
