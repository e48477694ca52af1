"""Hollows of the left cavity along its axis: papillary muscles that lean on the wall and look like it.

They count as blood. At end-systole they may fill half of a slice's circumference, so that it shows nothing
else; but they begin and end within the ventricle, and the slices above and below show where the
wall is. A wall that bulges into the cavity does so at end-diastole, too; and one that contracts more than its
neighbours, as beside an infarct, becomes thicker but not more: muscle keeps its volume. Both stay.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cardiac.rays import Radii, reach, spread, within
from models.cardiac.regions import Mask, Point, centre, enclosed, hull
from models.cardiac.tidy import CAVITY, MUSCLE, Labels

STEP = 0.25
"""Of a ray [pixel]."""

DEEP = 1 / 8
"""Of the radius, from which a dip is a hollow; less than ``PIXEL`` is none."""

PIXEL = 1.0

BEFORE = 0.5
"""Of its depth, relative to the radius, from which a hollow that end-diastole shows is one of the wall."""

BESIDE = 2
"""Rays on both sides, whose dips at end-diastole count: hearts twist, and edges lie between rays."""

MORE = 0.5
"""Of a hollow, how much muscle must be on its ray that was not there at end-diastole."""

SHARE = 2 / 3
"""Of the circumference, above which no papillary muscle fills it: the ventricle is narrow there."""

LEAST = 20
"""Pixels of a cavity that shows hollows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tube:
    """Neighbouring slices with a wall all the way round."""

    slices: list[int]
    middles: list[Point]
    inner: Radii
    outer: Radii
    closed: Radii
    """Of the cavity, of the ventricle, and of the cavity without hollows; [slice, ray]."""

    @property
    def muscle(self) -> Radii:
        """Of the wall on each ray, up to a factor [pixel^2], [slice, ray]."""
        return self.outer**2 - self.inner**2

    @property
    def depth(self) -> Radii:
        """Of the hollows, as a part of the radius, [slice, ray]."""
        deep: Radii = (self.closed - self.inner) / np.maximum(self.closed, PIXEL)
        return deep


@dataclass(frozen=True, kw_only=True, eq=False)
class _Before:
    """What a slice was like at end-diastole, on each ray the largest of those beside it, too."""

    dip: Radii
    """How deep its hollows were, as a part of the radius, [ray]."""

    muscle: Radii
    """[pixel^2], [ray]."""

    cavity: int
    """Its pixels."""


def without_hollows(beat: Labels) -> Labels:
    """The labels [phase, slice, y, x] of a beat with muscle that stands in hollows of the cavity made cavity.

    Along each ray the cavity is as wide as the straight line between slices above and below, where it is
    narrower by an eighth and more, and the fullest phase, which stays as it is, has a cavity without that
    hollow and less muscle by half of what fills it. Slices without a whole ring of muscle at both moments
    stay as they are, and those that would be fuller than that phase's.
    """
    diastole = int((beat == CAVITY).sum((1, 2, 3)).argmax())
    before = _before(beat[diastole])
    if not before:
        return beat
    moments = [each if n == diastole else _moment(each, before) for n, each in enumerate(beat)]
    return np.stack(moments)


def _before(diastole: Labels) -> dict[int, _Before]:
    """By slice, of end-diastole's labels [slice, y, x]."""
    return {
        index: _Before(dip=dip, muscle=muscle, cavity=int((diastole[index] == CAVITY).sum()))
        for tube in _tubes(diastole)
        for index, dip, muscle in zip(tube.slices, _widest(tube.depth), _widest(tube.muscle), strict=True)
    }


def _moment(labels: Labels, before: dict[int, _Before]) -> Labels:
    """The labels [slice, y, x] of one moment without hollows that slices did not have ``before``."""
    out = labels.copy()
    for tube in _tubes(labels):
        outline = _filled(tube, _new(tube, before))
        for place in map(int, np.flatnonzero((outline > tube.inner).any(1))):
            index = tube.slices[place]
            filled = _painted(labels[index], tube.middles[place], outline[place])
            if (filled == CAVITY).sum() <= before[index].cavity:
                out[index] = filled
    return out


def _new(tube: _Tube, before: dict[int, _Before]) -> NDArray[np.bool_]:
    """Where the cavity may have a hollow, [slice, ray]: it had none, and there is more muscle than there was.

    The long axis becomes shorter, so that a slice has more muscle by a factor, the median one.
    """
    known = [index in before for index in tube.slices]
    out = np.zeros(tube.inner.shape, np.bool_)
    if not any(known):
        return out
    dip = np.stack([before[index].dip for index in tube.slices if index in before])
    muscle = np.stack([before[index].muscle for index in tube.slices if index in before])
    now, filling = tube.muscle[known], (tube.closed**2 - tube.inner**2)[known]
    shortening = max(float(np.median(now / np.maximum(muscle, PIXEL))), 1.0)
    out[known] = (now - shortening * muscle >= MORE * filling) & (dip < BEFORE * tube.depth[known])
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
    radii = np.stack(inner)
    return _Tube(slices=slices, middles=middles, inner=radii, outer=np.stack(outer), closed=_closed(radii))


def _middle(section: Labels, whole: Mask) -> Point:
    """Of the whole ventricle, which no papillary muscle moves; of its cavity where that is elsewhere."""
    y, x = centre(whole)
    return (y, x) if section[round(y), round(x)] == CAVITY else centre(section == CAVITY)


def _widest(values: Radii) -> Radii:
    """The largest on each ray and those beside it, [slice, ray]."""
    around: Radii = np.max([np.roll(values, step, 1) for step in range(-BESIDE, BESIDE + 1)], 0)
    return around


def _closed(inner: Radii) -> Radii:
    """The farthest of straight lines between slices on both sides of each; its own radius where none goes
    farther. [slice, ray]."""
    radius = inner.copy()
    for first in range(len(inner)):
        for last in range(first + 2, len(inner)):
            part = (np.arange(first + 1, last)[:, None] - first) / (last - first)
            line = inner[first] + part * (inner[last] - inner[first])
            np.maximum(radius[first + 1 : last], line, out=radius[first + 1 : last])
    return radius


def _filled(tube: _Tube, new: NDArray[np.bool_]) -> Radii:
    """The cavity's radii [slice, ray] with those of its hollows closed that are ``new``."""
    deep = (tube.depth >= DEEP) & (tube.closed - tube.inner >= PIXEL)
    hollow = spread(deep & new, (tube.depth > 0) & new)
    hollow &= hollow.mean(1, keepdims=True) <= SHARE
    return np.where(hollow, np.minimum(tube.closed, np.maximum(tube.outer - 1, tube.inner)), tube.inner)


def _painted(section: Labels, middle: Point, outline: Radii) -> Labels:
    """A slice [y, x] whose cavity reaches to an outline [ray], and is convex."""
    muscle = section == MUSCLE
    cavity = (section == CAVITY) | within(muscle, middle, outline)
    return np.where(muscle & hull(cavity), CAVITY, section).astype(section.dtype)
