"""Smooth random fields by two products of matrices: several times faster than interpolation of images."""

import math

import torch

from models.train.fields import Random

SPREAD = 0.65
"""Width of a bell over the distance of bells."""


def smooth(random: Random, size: int, cell: float) -> torch.Tensor:
    """A field of sd about 1 with details of ``cell`` points, float32 [size, size]: bells on a lattice."""
    count = max(2, math.ceil(size / cell)) + 4
    values = torch.from_numpy(random.standard_normal((count, count), dtype="float32"))
    shift = random.uniform(0, 1, 2)
    down, across = (_bells(size, cell, count, float(part)) for part in shift)
    return down @ values @ across.T


def _bells(size: int, cell: float, count: int, shift: float) -> torch.Tensor:
    """[size, count], rows of a norm of about 1."""
    place = (torch.arange(size) / cell + 1 + shift) / (math.sqrt(2) * SPREAD)
    away = place[:, None] - torch.arange(count) / (math.sqrt(2) * SPREAD)
    return away.square_().neg_().exp_().mul_((math.sqrt(math.pi) * SPREAD) ** -0.5)
