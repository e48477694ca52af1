"""Thickness of the left ventricle's wall, around it and by segment."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from models.cardiac.rays import RAYS, along
from models.cardiac.regions import Mask, Point, centre, grown
from models.cardiac.sectors import Level, segments
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, Labels

STEP = 0.2
"""Of a ray [pixel]."""


def thickness(cavity: Mask, muscle: Mask) -> NDArray[np.float64]:
    """Muscle along rays from the cavity's middle [pixel], [ray]; the first points along x, then to +y."""
    middle = centre(cavity)
    if math.isnan(middle[0]):
        return np.full(RAYS, np.nan)
    total: NDArray[np.float64] = along(muscle, middle, STEP).sum(1) * STEP
    return total


def insertions(labels: Labels, up: Point = (-1.0, 0.0)) -> tuple[Point, Point] | None:
    """The two places (y, x) where the right ventricle meets the left one; None where it does not.

    They bound the widest stretch of directions from the left ventricle's middle that the right one fills.
    The first one is the anterior one: farther along ``up`` (y, x).
    """
    heart, right = np.isin(labels, (CAVITY, MUSCLE)), labels == RIGHT
    if not heart.any() or right.sum() < 10:
        return None
    y0, x0 = centre(labels == CAVITY if (labels == CAVITY).any() else heart)
    middle = math.atan2(centre(right)[0] - y0, centre(right)[1] - x0)
    rows, columns = np.nonzero(_touching(right, heart))
    if len(rows) < 2:
        return None
    away = np.remainder(np.arctan2(rows - y0, columns - x0) - middle + np.pi, 2 * np.pi) - np.pi
    ends = [(float(rows[n]), float(columns[n])) for n in (int(away.argmin()), int(away.argmax()))]
    first, second = sorted(ends, key=lambda end: -(end[0] * up[0] + end[1] * up[1]))
    return first, second


def _touching(right: Mask, heart: Mask) -> Mask:
    """Pixels of the right ventricle near the left one's muscle."""
    return right & grown(heart, 3)


def levels(labels: Labels) -> list[Level | None]:
    """Basal, mid or apical for each slice of a stack from base to apex [slice, y, x]; None without a ring."""
    rings = [
        index
        for index, each in enumerate(labels)
        if (each == CAVITY).sum() >= 10 and (each == MUSCLE).sum() >= 10
    ]
    found: list[Level | None] = [None] * len(labels)
    names: tuple[Level, ...] = ("basal", "mid", "apical")
    for place, index in enumerate(rings):
        found[index] = names[min(3 * place // max(len(rings), 1), 2)]
    return found


def by_segment(
    labels: Labels, pixel: float, up: Point = (-1.0, 0.0), named: list[Level | None] | None = None
) -> dict[int, float]:
    """Mean thickness [mm] of the wall in each of the 16 segments that has some.

    Labels [slice, y, x] from base to apex, ``pixel`` [mm], ``up`` (y, x): where anterior lies; ``named``:
    the slices' levels where another moment gives them.
    """
    values: dict[int, list[float]] = {}
    for plane, level in zip(labels, levels(labels) if named is None else named, strict=True):
        ends = insertions(plane, up) if level else None
        if level is None or ends is None:
            continue
        cavity, muscle = plane == CAVITY, plane == MUSCLE
        middle = centre(cavity)
        parts = segments(torch.from_numpy(muscle), middle, ends[0], ends[1], level).numpy()
        angle = np.arange(RAYS) * (2 * np.pi / RAYS)
        for turn, thick in zip(angle, thickness(cavity, muscle), strict=True):
            name = _along(parts, middle, turn)
            if name and thick > 0:
                values.setdefault(name, []).append(thick * pixel)
    return {name: float(np.mean(each)) for name, each in sorted(values.items())}


def thickening(diastole: Labels, systole: Labels, up: Point = (-1.0, 0.0)) -> dict[int, float]:
    """How much thicker the wall of each segment is at end-systole [%].

    Of labels [slice, y, x] from base to apex, slice by slice: end-diastole says which slices are basal, mid
    and apical, and a slice counts where both moments have a ring.
    """
    pairs = zip(levels(diastole), levels(systole), strict=True)
    both = [level if other else None for level, other in pairs]
    before, then = (by_segment(each, 1.0, up, both) for each in (diastole, systole))
    return {
        name: 100 * (then[name] / thick - 1) for name, thick in before.items() if name in then and thick > 0
    }


def _along(named: NDArray[np.uint8], middle: Point, turn: float) -> int:
    """The segment that a ray meets first; 0 for none."""
    for reach in np.arange(0, max(named.shape), 0.5):
        row = round(middle[0] + math.sin(turn) * reach)
        column = round(middle[1] + math.cos(turn) * reach)
        if not (0 <= row < named.shape[0] and 0 <= column < named.shape[1]):
            return 0
        if named[row, column]:
            return int(named[row, column])
    return 0
