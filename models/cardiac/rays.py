"""Rays from a point through a mask, and outlines that they give."""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask, Point

Radii = NDArray[np.float64]
"""Along each ray, [..., ray]."""

RAYS = 72
"""Around the circle; the first points along x, the next ones towards +y."""


def along(mask: Mask, middle: Point, step: float) -> NDArray[np.bool_]:
    """Where rays from ``middle`` (y, x) pass the mask [y, x], bool [ray, place], places ``step`` [pixel]
    apart, as far as the mask goes; False beyond the image."""
    angle = np.arange(RAYS) * (2 * np.pi / RAYS)
    places = np.nonzero(mask)
    farthest = np.hypot(places[0] - middle[0], places[1] - middle[1]).max(initial=0.0)
    away = np.arange(0, farthest + 2, step)
    padded = np.pad(mask, 1)
    rows, columns = (
        np.rint(start + np.outer(part, away)).astype(int).clip(-1, size) + 1
        for start, part, size in zip(middle, (np.sin(angle), np.cos(angle)), mask.shape, strict=True)
    )
    found: NDArray[np.bool_] = padded[rows, columns]
    return found


def reach(mask: Mask, middle: Point, step: float) -> Radii:
    """How far the mask [y, x], which holds ``middle``, goes from it [pixel], [ray]; in steps."""
    inside = along(mask, middle, step)
    last: Radii = step * (inside.shape[1] - 1 - inside[:, ::-1].argmax(1))
    return last


def within(mask: Mask, middle: Point, outline: Radii) -> Mask:
    """The pixels of the mask [y, x] that lie within an outline [ray] about ``middle``."""
    rows, columns = np.nonzero(mask)
    angle = np.arctan2(rows - middle[0], columns - middle[1]) * (RAYS / (2 * np.pi))
    away = np.hypot(rows - middle[0], columns - middle[1])
    inside = away <= np.interp(angle, np.arange(RAYS), outline, period=RAYS)
    out = np.zeros_like(mask)
    out[rows[inside], columns[inside]] = True
    return out


def spread(start: NDArray[np.bool_], over: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rays [..., ray] of ``over`` that go on around the circle from those of ``start``, and these."""
    while not np.array_equal(
        more := start | (over & (np.roll(start, 1, -1) | np.roll(start, -1, -1))), start
    ):
        start = more
    return start
