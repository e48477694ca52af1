"""Slow shading: an image blurred over a large part of the field of view."""

import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.recon.sampling import places


def blurred(array: torch.Tensor, width: float) -> torch.Tensor:
    """A Gaussian blur of a full width at half maximum in parts of the field of view; never negative."""
    axes = tuple(axis for axis in (-3, -2, -1) if array.shape[axis] > 1)
    kspace = to_kspace(array.to(torch.complex64), axes)
    for axis in axes:
        size = array.shape[axis]
        turns = places(size) * (size / 2)
        weights = torch.exp(-((torch.pi * width * turns) ** 2) / (4 * torch.log(torch.tensor(2.0))))
        kspace = kspace * weights.to(torch.float32).reshape([-1] + [1] * (-1 - axis))
    return to_image(kspace, axes).real.clamp(min=0)


def bright(magnitude: torch.Tensor, threshold: float) -> torch.Tensor:
    """Where an image is above a part of its 99th percentile, bool: the object."""
    every = 1 + magnitude.numel() // (1 << 22)
    return magnitude > threshold * torch.quantile(magnitude.flatten()[::every], 0.99)
