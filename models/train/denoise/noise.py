"""Noise as reconstructions make it: amplified where coils unfold, coloured by filters, its sd known exactly.

The contract is SNRAware's (Xue et al., 2025): images in SNR units with a map of their noise, and training
noise that went through whatever the scanner's own goes through, scaled so that its sd stays known. Here the
noise of k-space lines goes through an exact SENSE reconstruction with random coils, then through random
filters over k-space: zero-filled interpolation, partial Fourier, Gaussian and Hanning windows.
"""

import math
from dataclasses import dataclass

import torch

from models.operator import Coils, dft, proximal
from models.train.coils import random_coils
from models.train.fields import Random, window
from models.train.masks import uniform

ACCELERATIONS = (1, 2, 3, 4)
WEIGHT = 0.002
"""Of the Tikhonov image whose noise is drawn: nearly exact unfolding."""

PARTS = (1.0, 1.0, 0.8, 0.65)
"""Of k-space that was acquired along an axis; the rest is zero-filled."""

PARTIAL = (1.0, 1.0, 1.0, 0.875, 0.75, 0.625)
"""Of the lines that partial Fourier acquires."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """The noise of one reconstruction."""

    noise: torch.Tensor
    """complex64 [draw, y, x]."""

    sd: torch.Tensor
    """Of its real as of its imaginary part, float32 [y, x]."""


def reconstructed(random: Random, shape: tuple[int, int], draws: int) -> Draws:
    """Noise of sd 1 in each line of each coil, through a SENSE reconstruction of random coils and R."""
    lines = shape[0]
    coils = random_coils(random, window(random, *shape))
    maps = coils / torch.linalg.vector_norm(coils, dim=0)
    factor = int(random.choice(ACCELERATIONS))
    weights = uniform(lines, factor, 2 * int(random.integers(8, 17)), int(random.integers(factor))).weights
    sets = Coils.of(maps[None])
    solve = proximal(sets.normal(weights), WEIGHT)
    found = []
    for _ in range(draws):
        white = torch.from_numpy(random.standard_normal((*maps.shape, 2), dtype="float32"))
        found.append(solve(sets.adjoint(torch.view_as_complex(white), weights))[0])
    return Draws(noise=torch.stack(found), sd=solve.sd()[0])


def filters(random: Random, shape: tuple[int, int]) -> torch.Tensor:
    """Random weights over k-space, float32 [k1, k0], of unit mean square: white noise keeps its sd."""
    along = [_window(random, size) for size in shape]
    lines = shape[0]
    cut = round(lines * (1 - float(random.choice(PARTIAL))))
    place = torch.arange(lines)
    soft = float(random.choice((1.0, 0.1 * lines)))
    side = place if random.random() < 0.5 else lines - 1 - place
    along[0] = along[0] * ((side - cut + 0.5) / soft).clamp(0, 1)
    weights = along[0][:, None] * along[1]
    return weights / weights.square().mean().sqrt()


def _window(random: Random, size: int) -> torch.Tensor:
    """What was acquired along an axis, weighted, float32 [k]."""
    place = (torch.arange(size) - size // 2).abs() / (size / 2)
    part = float(random.choice(PARTS))
    inside = (place <= part).float()
    kind = random.random()
    if kind < 0.3:
        return inside * torch.exp(-0.5 * (float(random.uniform(0.3, 2)) * place / part) ** 2)
    if kind < 0.4:
        return inside * (0.5 + 0.5 * torch.cos(math.pi * (place / part).clamp(max=1)))
    return inside


def filtered(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Complex images [..., y, x] with weights over their k-space."""
    rows, lanes = (dft(size) for size in images.shape[-2:])
    return rows.mH @ ((rows @ images @ lanes.mT) * weights) @ lanes.conj()


def spread(sd: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The noise sd [y, x] behind a filter: variances convolved with the square of its kernel.

    Exact where the noise before was uncorrelated between pixels; within a few percent behind unfolding.
    """
    rows, lanes = (dft(size) for size in sd.shape)
    points = sd.numel()
    kernel = (rows.mH @ weights.to(torch.complex64) @ lanes.conj()).abs().square() / points
    kspace = rows @ sd.square().to(torch.complex64) @ lanes.mT
    other = rows @ kernel.to(torch.complex64) @ lanes.mT
    variance = (rows.mH @ (kspace * other) @ lanes.conj()).real * math.sqrt(points)
    return variance.clamp(min=0).sqrt()
