"""Filters over k-space that leave white noise its standard deviation."""

import math
from dataclasses import dataclass
from functools import reduce
from operator import add, mul
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Image
from gadgets.gadget import Map
from gadgets.image.follow import step
from gadgets.recon.sampling import extent, places, sampled_part
from gadgets.scan import Scan

Shape = Literal["gaussian", "hanning", "tapered"]


@dataclass(frozen=True, kw_only=True)
class KspaceFilter(Map):
    """Weight the k-space of the image along x and y, and z where there is one.

    The weights run over the sampled part of k-space, as the image's meta state it, and their mean square
    there is 1, so that white noise keeps its sd. Acts on complex images; g-factor, noise and SNR maps follow,
    or say that they are those of the image before (``ScansideNoiseOf``).
    """

    shape: Shape = "gaussian"
    """``gaussian``: exp(-sigma^2 x^2 / 2), ``hanning``, or ``tapered``: 1 but for Hanning edges (Tukey)."""

    sigma: Annotated[float, Field(gt=0)] = 1.0
    """Of the Gaussian; x runs from -1 to 1."""

    width: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Part of x, from each end, that the edges of ``tapered`` take."""

    axes: Annotated[str, Field(pattern="^(x?y?z?)$", min_length=1)] = "xyz"
    """Along which axes, in this order."""

    elliptical: bool = False
    """One window over the distance from the centre, instead of the product of one for each axis."""

    def one(self, item: Image, scan: Scan) -> Image:
        """The filtered image, or the map that follows it."""
        if not item.data.is_complex() and (item.role != "gfactor" and item.role != "noise"):
            return item
        shape = item.data.shape[-3:]
        axes = tuple(axis for axis in (-3, -2, -1) if shape[axis] > 1 and "zyx"[axis] in self.axes)
        if not axes:
            return item
        weights = self.weights(shape, axes, item)

        def act(data: torch.Tensor) -> torch.Tensor:
            return filtered(data, weights.to(torch.float32), axes)

        return step(item, act, lambda noise: noise.filtered(weights), f"KspaceFilter {self.shape}")

    def weights(self, shape: torch.Size, axes: tuple[int, ...], item: Image) -> torch.Tensor:
        """The filter over the k-space of an image of ``shape`` (z, y, x), float64, 1 along other axes."""
        place, within = [], []
        for axis in axes:
            first, last = extent(item.meta, "ZYX"[axis])
            size = shape[axis]
            along = [-1] + [1] * (-1 - axis)
            reach = max(-first, last)
            place.append((places(size) / reach).clamp(-1, 1).abs().reshape(along))
            within.append(sampled_part(size, first, last).to(torch.float64).reshape(along))
        if self.elliptical:
            distance = reduce(add, [each.square() for each in place]).sqrt()
            weights = self.window(distance)
        else:
            weights = reduce(mul, [self.window(each) for each in place])
        there = reduce(mul, within).expand_as(weights)
        weights = weights / math.sqrt(float((weights.square() * there).sum() / there.sum()))
        return weights.reshape([1] * (3 - weights.dim()) + list(weights.shape))

    def window(self, x: torch.Tensor) -> torch.Tensor:
        """The filter at distances x from the centre, 1 at the edge of what was sampled."""
        if self.shape == "gaussian":
            return torch.exp(-0.5 * (self.sigma * x) ** 2)
        width = self.width if self.shape == "tapered" else 1.0
        return 0.5 - 0.5 * torch.cos(math.pi * ((1 - x) / width).clamp(0, 1))


def filtered(data: torch.Tensor, weights: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Complex images with weights over their k-space along ``axes`` (negative)."""
    return to_image(to_kspace(data, axes).mul_(weights), axes)
