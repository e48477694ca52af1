"""The noise of images, followed through the linear steps behind the combination of the coils."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilNoise
from gadgets.image.maps import at_places, interpolate
from gadgets.recon.view import PLAIN, View

Weights = torch.Tensor
"""A filter: float, broadcastable to [kz, ky, kx], the k-space of the image that it acts on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewedNoise(ABC):
    """Noise that knows what was acquired, and the view through which later steps show it."""

    view: View = PLAIN
    known: torch.Tensor | None = None
    """The answer of ``sd``, where it is known already."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """The matrix (z, y, x) that was acquired."""

    @abstractmethod
    def seen(self) -> torch.Tensor:
        """The sd through the view, float32 [z, y, x]."""

    @cached_property
    def sd(self) -> torch.Tensor:
        """float32, [z, y, x]: of the real as of the imaginary part, and so in phase with the signal."""
        return self.seen() if self.known is None else self.known

    def filtered(self, weights: Weights) -> Self:
        """After a filter over the k-space of the image as it is now."""
        weights = weights.to(torch.float64)
        for axis in (-3, -2, -1):
            weights = self._onto_acquired(weights, axis)
        before = 1.0 if self.view.weights is None else self.view.weights
        return self._through(replace(self.view, weights=before * weights))

    def cropped(self, axis: int, size: int) -> Self:
        """Only the ``size`` pixels about the centre along an axis (negative)."""
        places = self._places(axis)
        start = len(places) // 2 - size // 2
        if size == len(places):
            return self
        known = self.sd.narrow(axis, start, size)
        return replace(self, view=self._with(axis, places[start : start + size]), known=known)

    def resampled(self, axis: int, size: int) -> Self:
        """With ``size`` pixels along an axis (negative) over the same field of view, of the same noise sd."""
        places = self._places(axis)
        have = len(places)
        if size == have:
            return self
        after = self
        if size < have:
            inside = torch.zeros(have, dtype=torch.float64)
            start = have // 2 - size // 2
            inside[start : start + size] = math.sqrt(have / size)
            after = self.filtered(_along(inside, axis))
        steps = (torch.arange(size, dtype=torch.float64) - size // 2) * (self._spacing(axis) * have / size)
        return after._through(after._with(axis, places[have // 2] + steps))

    def _places(self, axis: int) -> torch.Tensor:
        return self.view.places(axis, self.shape[axis])

    def _spacing(self, axis: int) -> float:
        places = self._places(axis)
        return float(places[1] - places[0]) if len(places) > 1 else 1.0

    def _onto_acquired(self, weights: torch.Tensor, axis: int) -> torch.Tensor:
        """A filter over the k-space of cropped or interpolated pixels, at the points that were acquired."""
        size, have = weights.shape[axis], self.shape[axis]
        if size == 1 or (size == have and self.view.pixels[axis] is None):
            return weights
        scale = self._spacing(axis) * len(self._places(axis)) / have
        points = (torch.arange(have, dtype=torch.float64) - have // 2) * scale
        inside = (points >= -(size // 2) - 1e-6) & (points <= size - 1 - size // 2 + 1e-6)
        return at_places(weights, axis, points) * _along(inside, axis)

    def _with(self, axis: int, places: torch.Tensor) -> View:
        pixels = list(self.view.pixels)
        pixels[axis] = places
        return replace(self.view, pixels=(pixels[0], pixels[1], pixels[2]))

    def _through(self, view: View) -> Self:
        return replace(self, view=view, known=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class CombinedNoise(ViewedNoise):
    """The noise of combined coil images, exact but for one thing.

    Later steps are taken to have acted on the coil images. They act on the combined image; the two commute as
    far as the weights of the coils vary little over the few pixels that a filter reaches.
    """

    coils: CoilNoise
    weights: torch.Tensor
    """complex64, [coil, z, y, x]: of the combination, on the pixels of the coil images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The matrix (z, y, x) of the coil images."""
        depth, height, width = self.weights.shape[1:]
        return depth, height, width

    def seen(self) -> torch.Tensor:
        """The sd through the view, float32 [z, y, x]."""
        weights = self.weights
        for axis, pixels in zip((-3, -2, -1), self.view.pixels, strict=True):
            if pixels is not None:
                weights = at_places(weights, axis, pixels)
        if weights is not self.weights:
            norm = torch.linalg.vector_norm(weights, dim=0)
            weights = weights / norm.clamp(min=torch.finfo(norm.dtype).tiny)
        return self.coils.sd(weights, self.view)


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelNoise:
    """Noise of which only a map is known: taken as uncorrelated between pixels."""

    sd: torch.Tensor
    """float32, [z, y, x]."""

    def filtered(self, weights: Weights) -> "PixelNoise":
        """Variance convolved with the square of the filter's kernel."""
        shape = self.sd.shape
        axes = tuple(axis for axis in (-3, -2, -1) if weights.shape[axis] > 1)
        if not axes:
            return self
        kernel = to_image(weights.expand(shape).to(torch.complex64), axes).abs().square()
        spread = to_kspace(self.sd.square().to(torch.complex64), axes) * to_kspace(
            kernel.to(torch.complex64), axes
        )
        points = math.prod(shape[axis] for axis in axes)
        return PixelNoise(sd=(to_image(spread, axes).real / math.sqrt(points)).clamp(min=0).sqrt())

    def cropped(self, axis: int, size: int) -> "PixelNoise":
        """Only the ``size`` pixels about the centre along an axis (negative)."""
        return PixelNoise(sd=self.sd.narrow(axis, self.sd.shape[axis] // 2 - size // 2, size))

    def resampled(self, axis: int, size: int) -> "PixelNoise":
        """With ``size`` pixels along an axis (negative) over the same field of view."""
        return PixelNoise(sd=interpolate(self.sd, axis, size))


def _along(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Values along an axis (negative), shaped [z, y, x]."""
    return values.reshape([-1 if each == axis else 1 for each in (-3, -2, -1)])
