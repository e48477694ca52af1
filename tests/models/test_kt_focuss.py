"""The baseline of dynamic scans finds what it is made for: few temporal frequencies."""

import math

import numpy as np
import torch

from benchmarks.kt_focuss import kt_focuss
from models.operator import Coils, dft
from models.train.coils import random_coils
from models.train.fields import window


def test_a_pulsation_of_one_frequency_is_found_from_a_sixth_of_the_lines():
    size, frames, factor = 36, 18, 6
    random = np.random.default_rng(4)
    maps = random_coils(random, window(random, size, 20))
    maps = maps / torch.linalg.vector_norm(maps, dim=0)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(20), indexing="ij")
    still = 1 + ((y // 6 + x // 5) % 2).float()
    place = ((y > 12) & (y < 22) & (x > 6) & (x < 14)).float()
    beat = torch.cos(2 * math.pi * torch.arange(frames) / frames)[:, None, None]
    truth = (still + 0.5 * place * beat).to(torch.complex64)
    coils = Coils.of(maps[None])
    masks = [((torch.arange(size) - frame) % factor == 0).float() for frame in range(frames)]
    normals = torch.stack([coils.normal(mask) for mask in masks[:factor]])
    kspace = dft(size) @ (maps * truth[:, None])
    adjoints = torch.cat([coils.adjoint(lines, mask) for lines, mask in zip(kspace, masks, strict=True)])
    found = kt_focuss(normals, adjoints, 1e-4, 5, 30)
    motion = (truth - truth.mean(0)).abs().square().mean().sqrt()
    assert float((found - truth).abs().square().mean().sqrt() / motion) < 0.25
