"""Circumferential strain of the left ventricle over the beat, from its contours.

Lagrangian: how much shorter a line around the ventricle is than at end-diastole. The line is a contour of the
labels, slice by slice; what moves along it, or out of the slice, is not seen. Labels carried from phase to
phase by optical flow (TV-L1, Lucas-Kanade) fell short of known contours by a third, so they are not used.
"""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.contour import outline, smoothed
from models.cardiac.regions import Mask
from models.cardiac.tidy import CAVITY, MUSCLE, Labels

HARMONICS = 4
"""Of a contour: more would follow the pixels, and small rings would be too long (by 2 % at a radius of 4)."""

LEAST = 30
"""Pixels of cavity and of muscle in a slice, at every phase, for its ring to count."""


def circumferential(labels: Labels, ed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strain of the inner contour and of the middle of the wall, as a part, each [phase]; 0 at phase ``ed``.

    Labels [phase, slice, y, x]. Lengths are summed over the slices that have a ring at all phases, so that no
    slice comes in or goes out with the motion of the base; empty where there is none.
    """
    sizes = np.stack([(labels == each).sum((2, 3)) for each in (CAVITY, MUSCLE)])
    rings = np.flatnonzero((sizes >= LEAST).all((0, 1)))
    if not len(rings):
        return np.zeros(0), np.zeros(0)
    inner, outer = (
        np.array([sum(length(np.isin(moment[n], parts)) for n in rings) for moment in labels])
        for parts in ((CAVITY,), (CAVITY, MUSCLE))
    )
    middle = (inner + outer) / 2
    return inner / inner[ed] - 1, middle / middle[ed] - 1


def length(mask: Mask) -> float:
    """Of a region's outer boundary [pixel]."""
    path = smoothed(outline(mask), HARMONICS)
    return float(np.hypot(*np.diff(path, axis=0).T).sum())
