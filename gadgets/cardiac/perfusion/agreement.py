"""Whether the slices of one heart agree where the right ventricle inserts: in each it is found by itself."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gadgets.cardiac.perfusion.item import Frames, Slice
from models.perfusion.muscle import Ends, septum

MOST = 45.0
"""Between neighbours [degree]. From the middle of a heart to its apex the insertion turns by 18 at most in 40
simulated ones; a quarter of a circle is the wrong insertion, a half the wrong side."""

FRONT = np.array([0.0, -1.0, 0.6])
"""Where the anterior insertion lies as seen from the inferior one: to the front and to the head."""

Apart = Sequence[Sequence[float]]
"""The angle between each slice and each other one [degree]."""


def ordered(frames: Frames, ends: Ends) -> Ends:
    """The insertions, the anterior one first."""
    first, second = ends
    return ends if float((_place(frames, first) - _place(frames, second)) @ FRONT) >= 0 else (second, first)


def apart(slices: Sequence[Slice]) -> Apart:
    """How far slices are from each other by anterior insertion or by septum, whichever is more [degree].

    In the patient, so that slices may be turned images. Each needs a heart with insertions.
    """
    each = [_directions(one) for one in slices]
    return [[max(map(_angle, one, other)) for other in each] for one in each]


def astray(apart: Apart, most: float = MOST) -> dict[int, float]:
    """The slices that are not in every largest set whose neighbours agree, and the least angle beyond
    ``most`` at which each lies from another slice [degree]; of one that agrees with all, the most at which
    others lie from each other.

    ``apart``: of slices from base to apex. One slice agrees with itself; of several all are astray where
    fewer than two are in every such set: nobody vouches for what is left.
    """
    count = len(apart)
    before, behind = (_lengths(apart, most, order) for order in (range(count), range(count - 1, -1, -1)))
    longest = max((a + b - 1 for a, b in zip(before, behind, strict=True)), default=0)
    chained = [n for n in range(count) if before[n] + behind[n] - 1 == longest]
    places = [before[n] for n in chained]
    kept = [n for n in chained if places.count(before[n]) == 1]
    if len(kept) < min(2, count):
        kept = []
    widest = max(map(max, apart), default=0.0)
    return {
        n: min((away for away in apart[n] if away > most), default=widest)
        for n in range(count)
        if n not in kept
    }


def _lengths(apart: Apart, most: float, order: Sequence[int]) -> list[int]:
    """How many slices the longest set has that ends with each one, in an order."""
    found = [1] * len(apart)
    for one, other in itertools.combinations(order, 2):
        if apart[one][other] <= most:
            found[other] = max(found[other], found[one] + 1)
    return found


def _directions(one: Slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the middle of the left ventricle to the anterior insertion and to the septum, of length 1."""
    heart = one.heart
    if heart is None or heart.insertions is None:
        raise ValueError(f"the {one.level} slice has no insertions")
    middle = _place(one.frames, heart.center)
    points = ordered(one.frames, heart.insertions)[0], septum(heart.center, heart.insertions)
    first, second = (_place(one.frames, point) - middle for point in points)
    return first / np.linalg.norm(first), second / np.linalg.norm(second)


def _place(frames: Frames, point: tuple[float, float]) -> NDArray[np.float64]:
    """Of a point (y, x) [pixel] in the patient [m], but for where the slice lies."""
    y, x = (at * step for at, step in zip(point, frames.pixel, strict=True))
    found: NDArray[np.float64] = y * frames.head["phase_dir"].astype(float) + x * frames.head[
        "read_dir"
    ].astype(float)
    return found


def _angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return math.degrees(math.acos(min(1.0, max(-1.0, float(one @ other)))))
