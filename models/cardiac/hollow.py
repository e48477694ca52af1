"""Hollows of the left cavity along its axis: papillary muscles that lean on the wall and look like it.

They count as blood. At end-systole they may fill half of a slice's circumference, so that its outline shows
no bay (``bay``); but they begin and end within the ventricle, and the slices above and below show where the
wall is. A wall that bulges into the cavity does so at end-diastole, too, and stays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cardiac.rays import Point, Radii, reach, spread, within
from models.cardiac.regions import centre, enclosed, hull
from models.cardiac.ventricle import CAVITY, MUSCLE

STEP = 0.25
"""Of a ray [pixel]."""

SPAN = 5
"""Slices from one beside a hollow to the one on its other side, at most: 4 to 5 cm."""

DEEP = 1 / 8
"""Of the radius, from which a dip is a hollow; less than ``PIXEL`` is none."""

PIXEL = 1.0

THICKER = 0.5
"""Of a hollow's depth, by which the wall there is thicker than beside it."""

BEFORE = 0.5
"""Of its depth, relative to the radius, from which a hollow that end-diastole shows is one of the wall."""

BESIDE = 2
"""Rays on both sides, whose dips at end-diastole count: hearts twist, and edges lie between rays."""

SHARE = 2 / 3
"""Of the circumference, above which no papillary muscle fills it: the ventricle is narrow there."""

LEAST = 20
"""Pixels of a cavity that shows hollows."""

Labels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tube:
    """Neighbouring slices with a wall all the way round."""

    slices: list[int]
    middles: list[Point]
    inner: Radii
    outer: Radii
    """[slice, ray]."""


def without_hollows(beat: Labels) -> Labels:
    """The labels [phase, slice, y, x] of a beat with muscle that stands in hollows of the cavity made cavity.

    Along each ray the cavity is as wide as the straight line between slices above and below, where it is
    narrower by an eighth and more, the wall is thicker by half of that and more, and the fullest phase, which
    stays as it is, has a cavity without that hollow. Slices without a whole ring of muscle at both moments
    stay as they are.
    """
    diastole = int((beat == CAVITY).sum((1, 2, 3)).argmax())
    before = {
        index: dip
        for tube in _tubes(beat[diastole])
        for index, dip in zip(tube.slices, _relative(tube.inner), strict=True)
    }
    if not before:
        return beat
    moments = [each if n == diastole else _moment(each, before) for n, each in enumerate(beat)]
    return np.stack(moments)


def _moment(labels: Labels, before: dict[int, Radii]) -> Labels:
    """The labels [slice, y, x] of one moment without hollows that slices did not have ``before``, [ray]."""
    out = labels.copy()
    for tube in _tubes(labels):
        known = np.stack([before.get(index, np.full(tube.inner.shape[1], np.inf)) for index in tube.slices])
        outline = _filled(tube, known)
        for place in map(int, np.flatnonzero((outline > tube.inner).any(1))):
            index = tube.slices[place]
            out[index] = _painted(labels[index], tube.middles[place], outline[place])
    return out


def _tubes(labels: Labels) -> list[_Tube]:
    """The stretches of at least three slices whose cavity has a wall all the way round."""
    cavity, muscle = labels == CAVITY, labels == MUSCLE
    rings = [
        index
        for index in map(int, np.flatnonzero(cavity.sum((1, 2)) >= LEAST))
        if enclosed(cavity[index], muscle[index]) == 1
    ]
    parts = np.split(np.array(rings, int), np.flatnonzero(np.diff(rings) > 1) + 1)
    return [_tube(labels, part.tolist()) for part in parts if len(part) >= 3]


def _tube(labels: Labels, slices: list[int]) -> _Tube:
    whole = [(labels[index] == CAVITY) | (labels[index] == MUSCLE) for index in slices]
    middles = [_middle(labels[index], each) for index, each in zip(slices, whole, strict=True)]
    inner = [reach(labels[index] == CAVITY, at, STEP) for index, at in zip(slices, middles, strict=True)]
    outer = [reach(each, at, STEP) for each, at in zip(whole, middles, strict=True)]
    return _Tube(slices=slices, middles=middles, inner=np.stack(inner), outer=np.stack(outer))


def _middle(section: Labels, whole: NDArray[np.bool_]) -> Point:
    """Of the whole ventricle, which no papillary muscle moves; of its cavity where that is elsewhere."""
    y, x = centre(whole)
    return (y, x) if section[round(y), round(x)] == CAVITY else centre(section == CAVITY)


def _relative(inner: Radii) -> Radii:
    """How deep the dips are on each ray and those beside it, as a part of the radius, [slice, ray]."""
    closed, _ = _closed(inner, np.zeros_like(inner))
    deep = (closed - inner) / np.maximum(closed, PIXEL)
    around: Radii = np.max([np.roll(deep, step, 1) for step in range(-BESIDE, BESIDE + 1)], 0)
    return around


def _closed(inner: Radii, wall: Radii) -> tuple[Radii, Radii]:
    """The farthest of straight lines between slices on both sides of each, and the wall's thickness that the
    same slices have; what a slice has itself where none goes farther. All [slice, ray]."""
    radius, thick = inner.copy(), wall.copy()
    for first in range(len(inner)):
        for last in range(first + 2, min(len(inner), first + SPAN + 1)):
            for index in range(first + 1, last):
                part = (index - first) / (last - first)
                line = inner[first] + part * (inner[last] - inner[first])
                beside = wall[first] + part * (wall[last] - wall[first])
                farther = line > radius[index]
                radius[index] = np.where(farther, line, radius[index])
                thick[index] = np.where(farther, beside, thick[index])
    return radius, thick


def _filled(tube: _Tube, before: Radii) -> Radii:
    """The cavity's radii [slice, ray] with those of its hollows closed, by how deep dips were ``before``."""
    wall = tube.outer - tube.inner
    closed, usual = _closed(tube.inner, wall)
    depth = closed - tube.inner
    hollow = (depth >= np.maximum(DEEP * closed, PIXEL)) & (wall - usual >= THICKER * depth)
    new = before < BEFORE * depth / np.maximum(closed, PIXEL)
    hollow = spread(hollow & new, (depth > 0) & new)
    hollow &= hollow.mean(1, keepdims=True) <= SHARE
    return np.where(hollow, np.minimum(closed, np.maximum(tube.outer - 1, tube.inner)), tube.inner)


def _painted(section: Labels, middle: Point, outline: Radii) -> Labels:
    """A slice [y, x] whose cavity reaches to an outline [ray], and is convex."""
    muscle = section == MUSCLE
    cavity = (section == CAVITY) | within(muscle, middle, outline)
    return np.where(muscle & hull(cavity), CAVITY, section).astype(section.dtype)
