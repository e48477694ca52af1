"""Magnitude images as a scan with fewer lines would have given them.

Simulated coils around the image, a smooth phase and noise; every R-th line and 24 reference lines; maps from
those. The linear image is the Tikhonov one that the chains send, the learned one the shipped network's.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.unrolled_quality import setup
from gadgets.arrays import to_kspace
from gadgets.recon.learned.setting import Setting
from models.errors import ModelError
from models.nets.unrolled import Design
from models.runner import start
from models.simulation.coils import ring
from models.train.fields import smooth
from models.train.masks import Pattern, uniform
from models.zoo import Model

COILS, LINES = 12, 24
SNR = 40.0
"""The brightest pixel of a slice over the noise of all lines."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Of one slice, float32 [phase, y, x]."""

    linear: torch.Tensor
    learned: torch.Tensor


def undersampled(
    model: Model, images: torch.Tensor, fov: float, factor: int, random: np.random.Generator
) -> Images:
    """A slice [phase, y, x] from every ``factor``-th line along y, maps from the first phase; ``fov`` [m].

    Raises ModelError for a model that is no unrolled network.
    """
    shape = int(images.shape[-2]), int(images.shape[-1])
    coils = ring(COILS, (fov * shape[1] / shape[0], fov)).maps((shape[1], shape[0])).to(torch.complex64)
    coils = coils / torch.linalg.vector_norm(coils, dim=0)  # the image has its own shading
    seen = torch.polar(images, 0.7 * smooth(random, shape, shape[0] / 2).expand_as(images))
    kspace = to_kspace(seen[:, None] * coils * (SNR * math.sqrt(2) / float(images.max())), (-2,))
    noise = torch.from_numpy(random.standard_normal((*kspace.shape, 2), dtype=np.float32))
    kspace, pattern = kspace + torch.view_as_complex(noise), uniform(shape[0], factor, LINES)
    setting, design = setup(kspace[0], pattern), model.card.design
    if not isinstance(design, Design):
        raise ModelError(f"model {model.card.name} reconstructs nothing")
    runner, linear, learned = start(model), [], []
    for moment in kspace:
        adjoint, first = _linear(setting, moment, pattern)
        given = setting.inputs(adjoint, first, design)
        linear.append(_cut(setting, first))
        learned.append(_cut(setting, setting.image(runner.infer(given), adjoint, design)))
    return Images(linear=torch.stack(linear), learned=torch.stack(learned))


def _linear(setting: Setting, kspace: torch.Tensor, pattern: Pattern) -> tuple[torch.Tensor, torch.Tensor]:
    """A^H y and the Tikhonov image, complex64 [1, y, x], of all lines [coil, k1, x], of which some count."""
    lines = setting.window.cut((kspace * pattern.weights[:, None])[:, None], -2)[:, 0]
    adjoint = setting.coils.adjoint(lines, setting.weights)
    return adjoint, setting.linear(adjoint)


def _cut(setting: Setting, image: torch.Tensor) -> torch.Tensor:
    """Magnitude [y, x] of an image [1, y, x] of the window."""
    return setting.window.image(image[:, None])[0, 0].abs()
