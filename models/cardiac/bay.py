"""Bays of the left cavity's outline: papillary muscles that lean on the wall and look like it.

They count as blood. In a full heart blood stands between them and the wall, and the hull of the cavity holds
them; at end-systole none does, and the hull's chord still cuts them off.
"""

import numpy as np

from models.cardiac.rays import RAYS, Radii, reach, spread, within
from models.cardiac.regions import Mask, centre, enclosed

STEP = 0.25
"""Of a ray [pixel]."""

WIDE = RAYS // 5
"""Rays that a bay spans at most. Walls that are thick for longer are thick: septal hypertrophy is wider."""

WIDER = RAYS // 3
PART = 2 / 3
"""What is filled of a bay, of what ``WIDER`` rays would fill: less is an oval's side or a flat septum."""

DEEP = 1 / 8
"""Of the radius, from which a dip of the outline is a bay: less than that are trabeculae and noise, and less
than ``PIXEL`` is none at all."""

PIXEL = 1.0

THICKER = 0.5
"""Of a bay's depth, by which the wall there is thicker than where there is none."""

LEAST = 20
"""Pixels of a cavity that shows bays."""


def without_bays(cavity: Mask, muscle: Mask) -> Mask:
    """The convex cavity [y, x] with the muscle that stands in narrow, deep bays of its outline.

    About the cavity's middle: the radius over the angle is closed (the largest within any fifth of the
    circle, then the smallest of these) where the wall is thicker than elsewhere: beside a flat septum it is
    not. As it is where the wall does not go all the way round.
    """
    if cavity.sum() < LEAST or enclosed(cavity, muscle) < 1:
        return cavity
    middle = centre(cavity)
    radius = reach(cavity, middle, STEP)
    outline = _filled(radius, reach(cavity | muscle, middle, STEP) - radius)
    if not (outline > radius).any():
        return cavity
    return cavity | within(muscle, middle, outline)


def _filled(radius: Radii, wall: Radii) -> Radii:
    """The radii [ray] with those of its bays closed, by the thickness of the wall there; a bay is filled as a
    whole or not at all."""
    closed, wider = _closed(radius, WIDE), _closed(radius, WIDER)
    depth = closed - radius
    usual = float(np.median(wall[depth == 0])) if (depth == 0).any() else np.inf
    bay = (depth >= np.maximum(DEEP * closed, PIXEL)) & (depth >= PART * (wider - radius))
    bay &= wall - usual >= THICKER * depth
    bay = spread(bay, depth > 0)
    return np.where(bay, closed, radius)


def _closed(radius: Radii, rays: int) -> Radii:
    """The largest radius within so many rays, then the smallest of these."""
    around = (np.arange(RAYS) + np.arange(-(rays // 2), rays // 2 + 1)[:, None]) % RAYS
    found: Radii = radius[around].max(0)[around].min(0)
    return found
