"""Partial Fourier: what was sampled of an asymmetric axis, as weights over k-space."""

import math
from dataclasses import dataclass

import torch

from gadgets.data import Notes
from gadgets.recon.sampling import extent, places, sampled_part


@dataclass(frozen=True, kw_only=True)
class Asymmetry:
    """An axis of which one side of k-space was sampled farther than the other."""

    axis: int
    """Of the image, negative."""

    size: int
    first: float
    last: float
    """From where to where it was sampled, in halves of the matrix from the centre."""

    @property
    def near(self) -> float:
        """How far the shorter side reaches."""
        return min(-self.first, self.last)

    @property
    def far(self) -> float:
        """How far the longer side reaches."""
        return max(-self.first, self.last)

    @property
    def sampled(self) -> torch.Tensor:
        """Which points were sampled, bool [size]."""
        return sampled_part(self.size, self.first, self.last)

    def rising(self, width: float) -> torch.Tensor:
        """0 before the shorter side's end, then a Hanning edge of ``width``, then 1; float64 [size].

        ``width`` is in halves of the matrix; the points that were not sampled are 0.
        """
        sign = 1.0 if -self.first < self.last else -1.0
        inwards = places(self.size) * sign + self.near + 0.5 / self.size
        edge = (inwards / max(width, 1e-9)).clamp(0, 1)
        return (0.5 - 0.5 * torch.cos(math.pi * edge)) * self.sampled

    def taper(self, width: float) -> torch.Tensor:
        """Zero-filling without a hard edge: 1, but for a Hanning edge at the shorter side; float64 [size].

        ``width`` is a part of what was sampled; unit mean square over that.
        """
        return self._unit(self.rising(width * (self.last - self.first)))

    def homodyne(self, width: float) -> torch.Tensor:
        """W(k) + W(-k) constant, so that the real part of the image is whole; float64 [size].

        W = 2 s(k) / (s(k) + s(-k)) with s rising over the part ``width`` of the symmetric region (Noll et
        al., IEEE Trans. Med. Imaging 10:154, 1991); unit mean square over what was sampled.
        """
        rising = self.rising(2 * self.near * width)
        mirrored = torch.zeros_like(rising)
        index = torch.arange(self.size)
        opposite = 2 * (self.size // 2) - index
        there = (opposite >= 0) & (opposite < self.size)
        mirrored[there] = rising[opposite[there]]
        total = rising + mirrored
        return self._unit(torch.where(total > 0, rising / total.clamp(min=1e-12), 0.0))

    def symmetric(self) -> torch.Tensor:
        """A Hanning window over the symmetric region, float64 [size]."""
        reach = self.near + 1 / self.size
        return 0.5 + 0.5 * torch.cos(math.pi * (places(self.size) / reach).clamp(-1, 1))

    def _unit(self, weights: torch.Tensor) -> torch.Tensor:
        return weights / weights[self.sampled].square().mean().sqrt()


def asymmetries(meta: Notes, shape: torch.Size, least: tuple[int, int, int]) -> list[Asymmetry]:
    """The axes of an image of ``shape`` (z, y, x) that are asymmetric, the most asymmetric one first.

    An axis counts when its sides differ by more than ``least`` (z, y, x) points.
    """
    found = []
    for axis in (-3, -2, -1):
        first, last = extent(meta, "ZYX"[axis])
        size = shape[axis]
        if size > 1 and abs(first + last) * size / 2 > least[axis] + 1e-6:
            found.append(Asymmetry(axis=axis, size=size, first=first, last=last))
    return sorted(found, key=lambda one: one.near / one.far)


def along(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Values along an axis (negative), shaped [z, y, x]."""
    shape = [1, 1, 1]
    shape[axis] = -1
    return values.reshape(shape)
