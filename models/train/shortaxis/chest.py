"""What lies around the heart in a drawn slice: lungs, chest wall, abdomen, spine, aorta, and clutter.

Coordinates [mm] about the left ventricle's axis in the usual short-axis view: u to the left of the patient, v
down to the abdomen and the spine.
"""

import math

import torch

from models.train.fields import Random
from models.train.shortaxis.field import smooth
from models.train.shortaxis.layout import fill
from models.train.shortaxis.shape import Disc
from models.train.shortaxis.tissue import Part


def paint(
    parts: torch.Tensor, u: torch.Tensor, v: torch.Tensor, random: Random, size: float, height: float
) -> torch.Tensor:
    """Paint the surroundings of a heart of ``size`` into ``parts`` [y, x]; depth under the skin [mm], [y, x].

    ``height`` of the slice: chest wall and diaphragm are near at the apex.
    """
    pixel = float((u[1:] - u[:-1]).abs().max() + (u[:, 1:] - u[:, :-1]).abs().max())
    rough = 0.8 * smooth(random, len(parts), 35 / pixel) + 0.5 * smooth(random, len(parts), 12 / pixel)
    fill(parts, torch.ones_like(parts, dtype=torch.bool), Part.LUNG)
    _vessels(parts, random, pixel)
    if random.random() < 0.7:
        _mediastinum(parts, u, v, rough, random, size)
    if random.random() < 0.35:
        _clutter(parts, random, pixel)
    if random.random() < 0.85:
        _abdomen(parts, u, v, rough, random, size, height)
    if random.random() < 0.6:
        _back(parts, u, v, random, size)
    return _wall(parts, u, v, rough, random, size, height)


def _vessels(parts: torch.Tensor, random: Random, pixel: float) -> None:
    field = smooth(random, len(parts), random.uniform(3, 7) / pixel)
    fill(parts, field > random.uniform(1.3, 3.5), Part.VESSEL)


def _mediastinum(
    parts: torch.Tensor, u: torch.Tensor, v: torch.Tensor, rough: torch.Tensor, random: Random, size: float
) -> None:
    """Fat on the right side of the heart."""
    centre = -size * random.uniform(0.3, 1.6), size * random.normal(0, 0.4)
    half = size * random.uniform(0.7, 1.6), size * random.uniform(0.7, 1.6)
    disc = Disc(centre=centre, half=half, turn=random.uniform(0, 3.1))
    fill(parts, disc.outside(u, v) + 5 * rough < 0, Part.FAT)


def _clutter(parts: torch.Tensor, random: Random, pixel: float) -> None:
    """Shapes of any brightness: what nobody thought of."""
    for part in (Part.CLUTTER, Part.OTHER_CLUTTER):
        field = smooth(random, len(parts), random.uniform(12, 50) / pixel)
        fill(parts, field > random.uniform(0.5, 2.0), part)


def _abdomen(
    parts: torch.Tensor,
    u: torch.Tensor,
    v: torch.Tensor,
    rough: torch.Tensor,
    random: Random,
    size: float,
    height: float,
) -> None:
    """Liver, stomach, spleen and bowel in fat beneath the diaphragm, which may touch the heart."""
    turn = random.normal(0.0, 0.35)
    along, down = math.cos(turn) * u + math.sin(turn) * v, math.cos(turn) * v - math.sin(turn) * u
    gap = random.uniform(-4, 14) + 22 * max(height - 0.3, 0.0) * random.random()
    top = size + gap
    dome = top + random.uniform(0.0, 0.006) * (along - random.normal(0, 25)) ** 2 + 2 * rough
    below = down > dome
    fill(parts, down > dome - random.uniform(0, 3), Part.MUSCLE)
    fill(parts, below, Part.FAT if random.random() < 0.6 else Part.CLUTTER)
    edge = random.uniform(-20, 90)
    depth = random.uniform(25, 140)
    liver = below & (along < edge - random.normal(0, 0.4) * (down - top) + 3 * rough) & (down < top + depth)
    fill(parts, liver, Part.LIVER)
    veins = smooth(random, len(parts), random.uniform(6, 12)) > random.uniform(1.6, 3.5)
    fill(parts, liver & veins, Part.VESSEL)
    for part in (Part.SPLEEN, Part.STOMACH, Part.STOMACH, Part.CLUTTER):
        if random.random() < 0.55:
            _organ(parts, along, down, rough, random, top, part, below)


def _organ(
    parts: torch.Tensor,
    along: torch.Tensor,
    down: torch.Tensor,
    rough: torch.Tensor,
    random: Random,
    top: float,
    part: Part,
    below: torch.Tensor,
) -> None:
    """A round organ with a wall beneath the diaphragm."""
    half = random.uniform(8, 40), random.uniform(8, 30)
    centre = random.uniform(-60, 80), top + half[1] * random.uniform(0.7, 1.3) + random.uniform(0, 30)
    disc = Disc(centre=centre, half=half, turn=random.normal(0, 0.4))
    away = disc.outside(along, down) + 2.5 * rough
    fill(parts, below & (away < 0), Part.MUSCLE)
    fill(parts, below & (away < -random.uniform(1, 5)), part)


def _back(parts: torch.Tensor, u: torch.Tensor, v: torch.Tensor, random: Random, size: float) -> None:
    """Vertebra and descending aorta."""
    reach, angle = size + random.uniform(18, 55), random.normal(0.9, 0.4)
    spine = Disc(
        centre=((reach + 32) * math.cos(angle - 0.2), (reach + 32) * math.sin(angle - 0.2)),
        half=(random.uniform(14, 22), random.uniform(14, 22)),
    )
    away = spine.outside(u, v)
    fill(parts, away < random.uniform(5, 25), Part.MUSCLE)
    fill(parts, away < 0, Part.MARROW)
    radius = random.uniform(7, 14)
    aorta = Disc(centre=(reach * math.cos(angle), reach * math.sin(angle)), half=(radius, radius))
    fill(parts, aorta.outside(u, v) < random.uniform(0.5, 5), Part.MUSCLE)
    fill(parts, aorta.outside(u, v) < 0, Part.VESSEL)


def _wall(
    parts: torch.Tensor,
    u: torch.Tensor,
    v: torch.Tensor,
    rough: torch.Tensor,
    random: Random,
    size: float,
    height: float,
) -> torch.Tensor:
    """Fat, muscle and ribs of the chest wall in front; the depth under the skin."""
    angle = -random.uniform(1.3, 3.3)
    away = math.cos(angle) * u + math.sin(angle) * v
    across = math.cos(angle) * v - math.sin(angle) * u
    gap = random.uniform(2, 20) + 70 * max(height - 0.1, 0.0) * random.uniform(0.2, 1.0)
    inner = away + random.uniform(0, 0.006) * (across - random.normal(0, 30)) ** 2 - size - gap
    muscle, fat = random.uniform(6, 28), random.uniform(4, 60)
    inside = inner + 1.5 * rough
    fill(parts, inside > -random.uniform(0, 12) * (random.random() < 0.5), Part.FAT)
    fill(parts, inside > 0, Part.MUSCLE)
    ribs = torch.sin(2 * math.pi * across / random.uniform(18, 40) + random.uniform(0, 6))
    rib = (inside > 0.2 * muscle) & (inside < 0.7 * muscle) & (ribs > random.uniform(-0.2, 0.6))
    fill(parts, rib, Part.MARROW)
    fill(parts, (inside > muscle) & (rough.abs() < 2.2), Part.FAT)
    fill(parts, inner > muscle + fat, Part.AIR)
    return (muscle + fat - inner).clamp_min(0)
