"""The right ventricle among what a network labelled so: what touches the left one, from slice to slice.

Blood, a liver and a stomach that lean on it look like it; they do not go on with its size and place.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask, grown, largest
from models.cardiac.ventricle import RIGHT

TOUCH = 4
"""Pixels between both ventricles at most: the septum is the left one's."""

BEGIN = 0.4
"""Where the search begins, from base to apex of the left ventricle."""

LARGER, WIDER = 1.3, 1.5
"""How much larger than the one before it, and than the left ventricle's, a section may be: both, and it is
more than the ventricle."""

WAY = 0.4
"""How far such a section is followed beyond the one before it, in radii of that one."""


def right_ventricle(labels: NDArray[np.uint8], left: NDArray[np.uint8], upwards: bool) -> dict[int, Mask]:
    """The right ventricle's section by slice, of labels [slice, y, x]; ``left`` has the left ventricle's.
    ``upwards``: the stack goes from apex to base.

    It begins near the left ventricle's middle, with a section that is not small. What is larger than the
    section before it and than the left ventricle is followed near the section before it only.
    """
    slices = list(map(int, np.flatnonzero(left.any((1, 2)))))
    found = {index: _touching(labels[index] == RIGHT, left[index]) for index in slices}
    there = [index for index in slices if found[index].any()]
    if not there:
        return {}
    down = -1 if upwards else 1
    ordered = slices[::down]
    middle = ordered[int(BEGIN * (len(ordered) - 1))]
    areas = {index: int(found[index].sum()) for index in there}
    usual = sorted(areas.values())[len(there) // 2]
    large = [index for index in there if 2 * areas[index] >= usual]
    start = min(large, key=lambda index: abs(index - middle))
    kept = {start: found[start]}
    for step in (down, -down):
        last = found[start]
        for index in (each for each in slices[::step] if (each - start) * step > 0):
            if found[index].any() and last.any():
                section = found[index]
                if section.sum() > max(LARGER * last.sum(), WIDER * (left[index] > 0).sum()):
                    near = grown(last, math.ceil(WAY * math.sqrt(float(last.sum()) / math.pi)) + 1)
                    section = _touching(section & near, left[index])
                kept[index] = section
                last = section if section.any() else last
    return kept


def _touching(mask: Mask, left: NDArray[np.uint8]) -> Mask:
    """The largest region near the left ventricle, outside of it."""
    right = mask & (left == 0)
    near = grown(left > 0, TOUCH)
    return largest(right, near) if (right & near).any() else np.zeros_like(right)
