"""Rays from a point through a mask."""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask

RAYS = 72
"""Around the circle; the first points along x, the next ones towards +y."""


def along(mask: Mask, middle: tuple[float, float], step: float) -> NDArray[np.bool_]:
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
