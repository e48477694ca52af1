"""The outline of a mask as a closed polygon."""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask

Points = NDArray[np.float64]
"""[point, (y, x)], in pixels: a pixel's middle is a whole number."""

_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def outline(mask: Mask) -> Points:
    """The corners of the outer boundary of the first region that rows meet, closed; empty where it is empty.

    With the region at the right hand from corner to corner; where two pixels touch at a corner only, the path
    stays at its own.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros((0, 2))
    padded = np.pad(mask, 1)
    start = int(rows[0]), int(columns[0])
    place, step = start, 0
    path = [place]
    while True:
        place = place[0] + _STEPS[step][0], place[1] + _STEPS[step][1]
        path.append(place)
        if place == start:
            break
        for turn in (-1, 0, 1):
            tried = (step + turn) % 4
            if _inside(padded, place, tried):
                step = tried
                break
    return np.array(path, np.float64) - 0.5


def _inside(padded: Mask, corner: tuple[int, int], step: int) -> bool:
    """Whether the edge from a corner has the region at its right hand and not at its left."""
    y, x = corner
    right, left = (
        ((y, x), (y - 1, x)),
        ((y, x - 1), (y, x)),
        ((y - 1, x - 1), (y, x - 1)),
        ((y - 1, x), (y - 1, x - 1)),
    )[step]
    return bool(padded[right[0] + 1, right[1] + 1]) and not bool(padded[left[0] + 1, left[1] + 1])


def smoothed(points: Points, harmonics: int = 12) -> Points:
    """The polygon through its first Fourier descriptors (by a sum, for a transform is not needed), closed."""
    if len(points) < 2 * harmonics:
        return points
    z = points[:-1, 0] + 1j * points[:-1, 1]
    orders = np.arange(-harmonics, harmonics + 1)
    turn = np.exp(2j * np.pi * np.outer(np.arange(len(z)) / len(z), orders))
    kept = turn @ (turn.conj().T @ z) / len(z)
    path = np.stack([kept.real, kept.imag], 1)
    return np.concatenate([path, path[:1]])
