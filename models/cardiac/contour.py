"""The outline of a mask as a closed polygon."""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask

Points = NDArray[np.float64]
"""[point, (y, x)], in pixels: a pixel's middle is a whole number."""


def outline(mask: Mask) -> Points:
    """The corners of the outer boundary of the first region that rows meet, closed; empty where it is empty.

    With the region at the right hand from corner to corner; where two pixels touch at a corner only, the path
    stays at its own.
    """
    pixels, width = np.pad(mask, 1).tobytes(), mask.shape[1] + 2
    start = pixels.find(1)
    if start < 0:
        return np.zeros((0, 2))
    path = _walk(pixels, width, start)
    return np.stack(np.divmod(np.array(path), width), 1) - 1.5


def _walk(pixels: bytes, width: int, start: int) -> list[int]:
    """The corners passed, each by the place of the pixel below and to the right of it.

    In bytes, for a walk asks for one pixel after the other, and an array answers ten times as slowly.
    """
    ahead = (1, width, -1, -width)
    right, left = (0, -1, -width - 1, -width), (-width, 0, -1, -width - 1)
    place, step, path = start, 0, [start]
    while True:
        place += ahead[step]
        path.append(place)
        if place == start:
            return path
        for turn in (-1, 0, 1):
            tried = (step + turn) % 4
            if pixels[place + right[tried]] and not pixels[place + left[tried]]:
                step = tried
                break


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
