"""The part of k-space that an image is solved on, and the way from its grid to that of the whole matrix."""

from dataclasses import dataclass

import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.image.maps import interpolate
from gadgets.scan import Encoding

COUNTERS = ("kspace_encode_step_2", "kspace_encode_step_1")


@dataclass(frozen=True, kw_only=True)
class Span:
    """Along one axis, ``points`` lines from ``first`` on are solved for; those in ``kept`` make the image."""

    size: int
    """Of the matrix."""

    first: int
    points: int
    kept: range

    @property
    def whole(self) -> bool:
        """The window is the matrix, and all of it is kept."""
        return self.first == 0 and self.points == self.size and self.kept == range(self.size)

    def cut(self, array: torch.Tensor, axis: int) -> torch.Tensor:
        """The lines of the window out of the matrix along a (negative) axis; 0 outside the matrix."""
        if self.whole:
            return array
        low, high = max(self.first, 0), min(self.first + self.points, self.size)
        inside = array.narrow(axis, low, high - low)
        pad = [0, 0] * (-1 - axis) + [low - self.first, self.first + self.points - high]
        return torch.nn.functional.pad(inside, pad)

    def image(self, image: torch.Tensor, axis: int) -> torch.Tensor:
        """The image on the matrix, of one on the window's grid: k-space placed, unitary on both sides."""
        if self.whole:
            return image
        lines = to_kspace(image, (axis,))
        out = lines.new_zeros([*lines.shape[:axis], self.size, *lines.shape[axis:][1:]])
        out.narrow(axis, self.kept.start, len(self.kept)).copy_(
            lines.narrow(axis, self.kept.start - self.first, len(self.kept))
        )
        return to_image(out, (axis,))

    def matrix(self) -> torch.Tensor:
        """What ``image`` does, complex64 [pixel of the matrix, pixel of the window]."""
        return self.image(torch.eye(self.points, dtype=torch.complex64), -1).T


@dataclass(frozen=True, kw_only=True)
class Window:
    """The spans along k2 and k1."""

    k2: Span
    k1: Span

    @property
    def whole(self) -> bool:
        """Both windows are the matrix."""
        return self.k2.whole and self.k1.whole

    @property
    def growth(self) -> float:
        """Points of the matrix for each of the window."""
        return self.k2.size * self.k1.size / (self.k2.points * self.k1.points)

    def cut(self, array: torch.Tensor, last: int = -1) -> torch.Tensor:
        """The window of an array [..., k2, k1] (or [..., k2, k1, k0] with ``last`` = -2)."""
        return self.k2.cut(self.k1.cut(array, last), last - 1)

    def image(self, image: torch.Tensor) -> torch.Tensor:
        """The image [..., z, y, x] on the matrix."""
        return self.k2.image(self.k1.image(image, -2), -3)

    def maps(self, maps: torch.Tensor) -> torch.Tensor:
        """Coil maps [map, coil, z, y, x] on the window's grid, of unit norm where they have support."""
        if self.k2.points == maps.shape[-3] and self.k1.points == maps.shape[-2]:
            return maps
        resized = interpolate(interpolate(maps, -2, self.k1.points), -3, self.k2.points)
        length = torch.linalg.vector_norm(resized, dim=1, keepdim=True)
        return torch.where(length > SUPPORT, resized / length.clamp(min=SUPPORT), 0)


SUPPORT = 0.5
"""Interpolated maps that are shorter lie beyond the edge of their support."""


def window(sampled: torch.Tensor, encoding: Encoding) -> Window:
    """The window of lines, int [k2, k1]: from the first to the last that the header explains.

    Along an axis with acceleration R it is a multiple of R lines, every R-th of them acquired: then pixels
    fold in groups of R, whatever the matrix is. Lines beyond the limits of the header are solved for where
    that needs them, and left out of the image. Acquired lines that no such window holds form no lattice, and
    all of them are kept.
    """
    there = sampled > 0
    first, second = encoding.acceleration
    steps = (max(second, 1) if sampled.shape[0] > 1 else 1, max(first, 1))
    spans = []
    for axis, step in enumerate(steps):
        low, high = _limits(encoding, axis, sampled.shape[axis])
        spans.append(_span(there.any(1 - axis), step, low, high))
    return Window(k2=spans[0], k1=spans[1])


def centred(sampled: torch.Tensor, encoding: Encoding) -> Window:
    """The least window about the centre with all acquired lines and those within the header's limits."""
    spans = []
    for axis in range(2):
        size = sampled.shape[axis]
        low, high = _limits(encoding, axis, size)
        lines = torch.nonzero((sampled > 0).any(1 - axis))[:, 0].tolist()
        low, high = min(low, lines[0]), max(high, lines[-1])
        half = max(size // 2 - low, high + 1 - size // 2)
        first, last = max(0, size // 2 - half), min(size, size // 2 + half)
        spans.append(Span(size=size, first=first, points=last - first, kept=range(first, last)))
    return Window(k2=spans[0], k1=spans[1])


def _limits(encoding: Encoding, axis: int, size: int) -> tuple[int, int]:
    """First and last line within the limits of the header."""
    limit = encoding.limit(COUNTERS[axis])
    if limit is None or limit.maximum <= limit.minimum:
        return 0, size - 1
    shift = size // 2 - limit.center
    return max(limit.minimum + shift, 0), min(limit.maximum + shift, size - 1)


def _span(there: torch.Tensor, step: int, low: int, high: int) -> Span:
    """The span of the acquired lines, bool [k], within the limits."""
    size = len(there)
    lines = torch.nonzero(there)[:, 0].tolist()
    first, last = lines[0], lines[-1]
    kept = range(min(first, max(first - step + 1, low)), max(last, min(last + step - 1, high)) + 1)
    plain = Span(size=size, first=kept.start, points=len(kept), kept=kept)
    if step == 1 or size == 1:
        return plain
    counts = [int(there[offset::step].sum()) for offset in range(step)]
    offset = counts.index(max(counts))
    lattice = [line for line in lines if line % step == offset]
    count = (lattice[-1] - lattice[0]) // step + 1
    begin = min(max(kept.start, lattice[0] - step + 1), lattice[0])
    points = step * count
    if first < begin or last >= begin + points:
        return plain
    kept = range(max(kept.start, begin), min(kept.stop, begin + points))
    return Span(size=size, first=begin, points=points, kept=kept)
