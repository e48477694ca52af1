"""Labels of a stack made whole: one heart, no holes, an end at base and apex.

Labels: 1 left cavity (papillary muscles and trabeculae within), 2 its muscle, 3 right cavity; 0 the rest.
"""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask, centre, enclosed, filled, grown, hull, largest, shrunk
from models.cardiac.right import right_ventricle
from models.cardiac.ventricle import CAVITY, LEAST, MUSCLE, RIGHT, apex_first, left_ventricle

__all__ = ["CAVITY", "LEAST", "MUSCLE", "NAMES", "RIGHT", "Labels", "enclosed", "rounded", "steady", "tidy"]

NAMES = {CAVITY: "left cavity", MUSCLE: "left muscle", RIGHT: "right cavity"}

ANGLES = 72
BULGE = 1.2
"""How far the outline may go beyond its neighbourhood's: ellipses of 1 to 0.6 stay whole."""

THIRD = (np.arange(ANGLES) + np.arange(-(ANGLES // 6), ANGLES // 6 + 1)[:, None]) % ANGLES
"""The angles of the third of a circle about each angle, [neighbour, angle]."""

PHASES = 15

Labels = NDArray[np.uint8]


def tidy(labels: Labels, worth: NDArray[np.float32] | None = None) -> Labels:
    """The labels [slice, y, x] of one moment, made whole: ``left_tidy``, then ``right_tidy``."""
    left = left_tidy(labels, worth)
    return right_tidy(labels, left, apex_first(left))


def left_tidy(
    labels: Labels, worth: NDArray[np.float32] | None = None, upwards: bool | None = None
) -> Labels:
    """The left ventricle of labels [slice, y, x] made whole; ``upwards``: from apex to base, None: see.

    It is what goes on from slice to slice and is worth most (``left_ventricle``), without holes. Where less
    than half of its circumference is muscle (at the base) a slice has no left ventricle; slices from the base
    on whose wall does not go all the way round are cut between its ends.
    """
    cavity, muscle = left_ventricle(labels, worth, upwards)
    out = np.zeros_like(labels)
    for index in map(int, np.flatnonzero((cavity | muscle).any((1, 2)))):
        out[index] = _section(cavity[index], filled(cavity[index] | muscle[index]))
    up = apex_first(out) if upwards is None else upwards
    for index in map(int, np.flatnonzero((out == CAVITY).any((1, 2)))[:: -1 if up else 1]):
        if enclosed(out[index] == CAVITY, out[index] == MUSCLE) == 1:
            break
        out[index] = _cut(out[index])
    return out


def _cut(section: Labels) -> Labels:
    """A slice at the base [y, x]: its cavity ends between the ends of the wall, for the atrium's blood looks
    like the ventricle's."""
    beyond = (section == CAVITY) & ~hull(section == MUSCLE)
    return np.where(beyond, 0, section).astype(section.dtype)


def right_tidy(labels: Labels, left: Labels, upwards: bool) -> Labels:
    """The labels of a left ventricle with the right one that labels [slice, y, x] have beside it.

    It is in each slice of the left one what touches it and goes on (``right_ventricle``): above the left
    ventricle's base lie the outflow tract and the atria, which look like it.
    """
    out = left.copy()
    for index, right in right_ventricle(labels, left, upwards).items():
        out[index][filled(right) & (out[index] == 0)] = RIGHT
    return out


def _section(inside: Mask, whole: Mask) -> Labels:
    """Cavity and muscle of one slice within the region that both fill.

    The cavity is convex: papillary muscles and trabeculae, which look like the wall, belong to it.
    """
    out = np.zeros(whole.shape, np.uint8)
    if whole.sum() < LEAST:
        return out
    smooth = grown(shrunk(inside)) & inside
    cavity = hull(smooth if smooth.any() else inside) & whole
    if cavity.any() and enclosed(cavity, whole & ~cavity) < 0.5:
        return out
    out[rounded(whole, cavity)] = MUSCLE
    out[cavity & whole] = CAVITY
    return out


def rounded(whole: Mask, cavity: Mask) -> Mask:
    """The ventricle without what goes far beyond its outline on both sides of it: organs that lean on it.

    Around the cavity's middle the outline is its median over a third of the circle, times ``BULGE``.
    """
    if not cavity.any():
        return whole
    y0, x0 = centre(cavity)
    rows, columns = np.nonzero(whole)
    away = np.hypot(rows - y0, columns - x0)
    angle = np.floor((np.arctan2(rows - y0, columns - x0) / (2 * np.pi) + 0.5) * ANGLES).astype(int) % ANGLES
    reach = np.full(ANGLES, np.nan)
    np.fmax.at(reach, angle, away)
    limit = BULGE * _median(reach[THIRD]) + 1
    kept = np.zeros_like(whole)
    beyond = away > limit[angle]
    kept[rows[~beyond], columns[~beyond]] = True
    return largest(kept | cavity, cavity)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column, without what is nan (NumPy's own goes by masked arrays: a tenth of a stack's time)."""
    ordered, count = np.sort(values, 0), (~np.isnan(values)).sum(0)
    low, high = (np.maximum(place, 0)[None] for place in ((count - 1) // 2, count // 2))
    middle = (np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0)) / 2
    return np.where(count, middle[0], np.nan)


def steady(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Chances [phase, ...] of a closed cycle, each averaged with its neighbours' by 1 : 4 : 1.

    More would take from end-diastole and give to end-systole; of fewer than ``PHASES`` each stays as it is.
    """
    if len(chances) < PHASES:
        return chances
    around = (np.roll(chances, 1, 0) + np.roll(chances, -1, 0)) / 6 + chances * (2 / 3)
    return around.astype(np.float32)
