"""The noise of a linear SPIRiT image, by replicas of noise through the same linear map."""

import math
from dataclasses import dataclass

import torch

from gadgets.arrays import to_image, to_kspace, weighted_sum
from gadgets.recon.sampling import variance
from gadgets.recon.spirit.solve import Consistency
from gadgets.recon.view import PLAIN, View

REPLICAS = 48
"""Each takes as long as an image; with the neighbourhood they leave an error of about 2 %."""

REACH = 2
"""Pixels about each that share their estimate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplicaNoise:
    """An estimate: neither lines nor pixels part into small problems here, so that no exact map is cheap."""

    consistency: Consistency
    sampled: torch.Tensor
    """int32, [k2, k1]."""

    scale: float
    iterations: int
    tolerance: float
    readout: float = 1.0

    def sd(self, weights: torch.Tensor, view: View = PLAIN) -> torch.Tensor:
        """Noise sd of sum_c weights[c] image[c]; weights [coil, z, y, x], the answer [z, y, x]."""
        generator = torch.Generator().manual_seed(0)
        total = torch.zeros(weights.shape[1:])
        level = variance(self.sampled).sqrt().float()[..., None]
        for _ in range(REPLICAS):
            parts = torch.randn(2, len(weights), *self.consistency.agreement.shape, generator=generator)
            lines = torch.complex(parts[0], parts[1]) * level
            start = to_image(lines, self.consistency.axes)
            images = self.consistency.solve(start, self.iterations, self.tolerance)
            total += weighted_sum(weights, seen(images, view)).abs().square() / (2 * REPLICAS)
        size = 2 * REACH + 1
        smooth = torch.nn.functional.avg_pool2d(total, size, 1, REACH, count_include_pad=False)
        sd: torch.Tensor = smooth.sqrt() * (self.scale * math.sqrt(self.readout))
        return sd


def seen(images: torch.Tensor, view: View) -> torch.Tensor:
    """Coil images, [coil, z, y, x], after the steps of a view."""
    if view is PLAIN:
        return images
    lines = to_kspace(images, (-3, -2, -1)) * view.over(tuple(images.shape[1:])).float()
    for axis in (-3, -2, -1):
        size = images.shape[axis]
        k = torch.arange(size, dtype=torch.float64) - size // 2
        angle = 2 * math.pi / size * torch.outer(view.places(axis, size), k)
        waves = torch.polar(torch.full_like(angle, size**-0.5), angle).to(torch.complex64)
        lines = (waves @ lines.movedim(axis, -1).unsqueeze(-1)).squeeze(-1).movedim(-1, axis)
    return lines
