"""Random coils, and the maps that a scanner would estimate of them from its reference lines."""

import math

import numpy as np
import torch

from models.operator import dft
from models.train.fields import Grid, Random

_SEGMENTS = 24
_COARSE = 10.0
"""Coils are computed at points so many pixels apart; between them they are smooth."""


def random_coils(random: Random, grid: Grid) -> torch.Tensor:
    """Sensitivities of 4 to 16 loops around the object, complex64 [coil, y, x]; their mean power is 1.

    Biot and Savart's law for loops at random places, of random sizes and tilts; sometimes mixed with each
    other, as whitening and coil compression do.
    """
    count = int(random.integers(4, 17))
    y, x = (_coarse(axis.flatten()) for axis in (grid.y, grid.x))
    around = random.uniform(0, 2 * math.pi) + 2 * math.pi / count * np.arange(count)
    fields = torch.stack([_loop(random, float(angle), count, y, x) for angle in around])
    parts = torch.view_as_real(fields).permute(0, 3, 1, 2)
    full = torch.nn.functional.interpolate(parts, size=grid.shape, mode="bicubic", align_corners=True)
    coils = torch.complex(full[:, 0], full[:, 1])
    coils = (
        coils
        * torch.polar(torch.ones(count), torch.from_numpy(random.uniform(0, 6.3, count)).float())[
            :, None, None
        ]
    )
    if random.random() < 0.4:
        mix = random.standard_normal((count, count, 2)).astype(np.float32) * 0.3
        coils = torch.einsum(
            "dc,cyx->dyx", torch.eye(count) + torch.view_as_complex(torch.from_numpy(mix)), coils
        )
    return coils / coils.abs().square().sum(0).mean().sqrt()


def _coarse(axis: torch.Tensor) -> torch.Tensor:
    return torch.linspace(float(axis[0]), float(axis[-1]), max(4, math.ceil(len(axis) / _COARSE)))


def _loop(random: Random, angle: float, count: int, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Bx - i By of one loop, complex64 [y, x]."""
    angle += random.normal(0, 0.15)
    distance = random.uniform(1.15, 1.7)
    out = torch.tensor([math.cos(angle), math.sin(angle), random.normal(0, 0.2)])
    side = torch.tensor([-math.sin(angle), math.cos(angle), 0.0])
    up = torch.linalg.cross(out, side)
    radius = random.uniform(0.35, 0.55) * max(1.0, 8 / count) ** 0.5
    turn = (2 * math.pi / _SEGMENTS * torch.arange(_SEGMENTS))[:, None]
    wire = distance * out + radius * (turn.cos() * side + turn.sin() * up)
    step = turn.cos() * up - turn.sin() * side
    place = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.zeros(len(y), len(x))], -1)
    away = place[..., None, :] - wire
    cube = torch.linalg.vector_norm(away, dim=-1, keepdim=True) ** 3
    field = (torch.linalg.cross(step.expand_as(away), away, dim=-1) / cube).sum(-2)
    return torch.complex(field[..., 0], -field[..., 1])


def low_resolution(kspace: torch.Tensor, lines: range, *, taper: bool = True) -> torch.Tensor:
    """Coil images [coil, y, x] of the reference ``lines`` of k-space [coil, k1, x], tapered or not."""
    size = kspace.shape[1]
    weights = torch.zeros(size)
    place = (torch.arange(len(lines)) + 0.5) / len(lines) - 0.5
    weights[lines.start : lines.stop] = torch.cos(math.pi * place) ** 2 if taper else torch.ones(len(lines))
    return (dft(size).mH * weights) @ kspace


def estimate(low: torch.Tensor, threshold: float, radius: int = 2) -> torch.Tensor:
    """Maps from coil images of low resolution, both complex64 [coil, y, x], of unit norm or 0.

    At each pixel the dominant eigenvector of the coils' covariance around it (Walsh et al., MRM 43:682,
    2000); where the signal is below ``threshold`` of its 99th percentile there is no support.
    """
    coils = len(low)
    covariance = low[:, None] * low[None].conj()
    parts = torch.view_as_real(covariance).permute(0, 1, 4, 2, 3).reshape(1, -1, *low.shape[1:])
    size = 2 * radius + 1
    pooled = torch.nn.functional.avg_pool2d(parts, size, 1, radius, count_include_pad=False)
    real = pooled.reshape(coils, coils, 2, *low.shape[1:])
    matrices = torch.complex(real[:, :, 0], real[:, :, 1]).permute(2, 3, 0, 1).contiguous()
    vectors = low.permute(1, 2, 0)[..., None] + 1e-6
    for _ in range(6):
        vectors = matrices @ vectors
        vectors = vectors / torch.linalg.vector_norm(vectors, dim=-2, keepdim=True).clamp(min=1e-20)
    maps = vectors[..., 0].permute(2, 0, 1)
    total = low.reshape(coils, -1)
    dominant = torch.linalg.eigh((total @ total.mH).to(torch.complex128)).eigenvectors[:, -1]
    along = torch.einsum("c,cyx->yx", dominant.conj().to(torch.complex64), maps)
    maps = maps * torch.polar(torch.ones(along.shape), -along.angle())
    return maps * support(torch.linalg.vector_norm(low, dim=0), threshold)


def support(magnitude: torch.Tensor, threshold: float) -> torch.Tensor:
    """1 where the magnitude [y, x] is above ``threshold`` of its 99th percentile or near it, else 0."""
    level = threshold * float(torch.quantile(magnitude.flatten(), 0.99))
    inside = (magnitude > level).float()[None, None]
    return torch.nn.functional.max_pool2d(inside, 5, 1, 2)[0, 0]
