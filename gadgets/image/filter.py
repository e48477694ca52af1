"""Filters over k-space that leave the noise its standard deviation."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Image
from gadgets.gadget import Map
from gadgets.image.history import noted
from gadgets.recon.sampling import extent
from gadgets.scan import Scan

Shape = Literal["gaussian", "hanning", "tapered"]


@dataclass(frozen=True, kw_only=True)
class KspaceFilter(Map):
    """Weight the k-space of the image along x and y, and z where there is one.

    The weights run over the sampled part of k-space, as the image's meta state it, and their mean square
    there is 1, so that white noise keeps its sd. Acts on complex images of role ``image`` and ``snr``; all
    others pass.
    """

    shape: Shape = "gaussian"
    """``gaussian``: exp(-sigma^2 x^2 / 2), ``hanning``, or ``tapered``: 1 but for Hanning edges."""

    sigma: Annotated[float, Field(gt=0)] = 1.0
    """Of the Gaussian; x runs from -1 to 1."""

    width: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Part of x, from each end, that the edges of ``tapered`` take."""

    def one(self, item: Image, scan: Scan) -> Image:
        """The filtered image."""
        if item.role not in ("image", "snr") or not item.data.is_complex():
            return item
        axes = tuple(axis for axis in (-3, -2, -1) if item.data.shape[axis] > 1)
        kspace = to_kspace(item.data, axes)
        for axis in axes:
            kspace *= self.weights(item.data.shape[axis], *extent(item.meta, "ZYX"[axis])).reshape(
                [-1] + [1] * (-1 - axis)
            )
        return replace(item, data=to_image(kspace, axes), meta=noted(item.meta, f"KspaceFilter {self.shape}"))

    def weights(self, size: int, first: float = -1.0, last: float = 1.0) -> torch.Tensor:
        """The filter over ``size`` samples, float32, of which those from first to last were acquired.

        ``first`` and ``last`` are in units of half the size from the centre.
        """
        place = (torch.arange(size, dtype=torch.float64) - size // 2) / (size / 2)
        inside = (place > first - 0.5 / size) & (place < last - 0.5 / size)
        x = (place / max(-first, last)).clamp(-1, 1)
        if self.shape == "gaussian":
            weights = torch.exp(-0.5 * (self.sigma * x) ** 2)
        else:
            width = self.width if self.shape == "tapered" else 1.0
            weights = 0.5 - 0.5 * torch.cos(math.pi * ((1 - x.abs()) / width).clamp(max=1))
        return (weights / weights[inside].square().mean().sqrt()).to(torch.float32)
