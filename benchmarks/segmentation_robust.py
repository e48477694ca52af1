"""How the segmentation of real hearts holds when their images get worse, and whether its uncertainty says so.

Four subjects of ``segmentation/``, both phases. Dice is the mean of left cavity, muscle and right cavity; a
figure is that mean, its note the three and what the gate refuses.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.figures import Figure
from benchmarks.segmentation import PIXEL, network, scores, subjects
from gadgets.arrays import to_image, to_kspace
from models.cardiac.function import curves
from models.cardiac.gate import judge
from models.cardiac.segment import segment
from models.train.fields import smooth

SUBJECTS = 4

Worse = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
"""Images [phase, slice, y, x], made worse."""


def noisy(sd: float) -> Worse:
    """Rician noise; ``sd`` over the brightness that one pixel in a hundred exceeds."""

    def apply(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
        level = sd * float(torch.quantile(images.flatten()[::7], 0.99))
        noise = torch.from_numpy(random.standard_normal((2, *images.shape), dtype=np.float32))
        return torch.hypot(images + level * noise[0], level * noise[1])

    return apply


def shaded(strength: float) -> Worse:
    """Times exp(``strength`` f), f a smooth field of sd 1 with details of half of the image."""

    def apply(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
        height, width = int(images.shape[-2]), int(images.shape[-1])
        return images * torch.exp(strength * smooth(random, (height, width), height / 2))

    return apply


def coarse(kept: float) -> Worse:
    """With only the middle part of k-space along both axes."""

    def apply(images: torch.Tensor, _: np.random.Generator) -> torch.Tensor:
        kspace = to_kspace(images.to(torch.complex64), (-2, -1))
        for axis in (-2, -1):
            size = kspace.shape[axis]
            away = (torch.arange(size) - size // 2).abs() <= kept * size / 2
            kspace = kspace * (away if axis == -1 else away[:, None])
        return to_image(kspace, (-2, -1)).abs()

    return apply


def run() -> Iterator[Figure]:
    """A row for each way and strength."""
    torch.set_num_threads(1)
    reader, known = network(), list(subjects())[:SUBJECTS]
    ways: dict[str, tuple[Worse, float]] = {"as they are": (coarse(2.0), PIXEL)}
    ways |= {f"noise of {sd:.0%}": (noisy(sd), PIXEL) for sd in (0.03, 0.06, 0.12, 0.24)}
    ways |= {f"shading, sd {by:g} of the logarithm": (shaded(by), PIXEL) for by in (0.25, 0.5, 1.0)}
    ways |= {f"{part:.0%} of k-space along each axis": (coarse(part), PIXEL) for part in (0.7, 0.5, 0.35)}
    ways |= {
        f"pixels said to be {part:g} times as large": (coarse(2.0), PIXEL * part) for part in (0.75, 1.33)
    }
    errors, doubts = [], []
    for name, (worse, pixel) in ways.items():
        rows, refused = [], 0
        for index, subject in enumerate(known):
            found = segment(reader, worse(subject.images, np.random.default_rng(index)), pixel)
            rows.append(scores(found.labels, subject.labels))
            refused += not judge(found.labels[0], curves(found.labels, 1e-3), found.disagreement).accepted
            errors.append(1 - rows[-1][0, :2].mean())
            doubts.append(found.disagreement)
        each = np.mean(rows, (0, 1))
        words = f"LV {each[0]:.3f}, muscle {each[1]:.3f}, RV {each[2]:.3f}; {refused} of {len(known)} refused"
        yield Figure(name=f"Dice, {name}", value=float(each.mean()), note=words)
    yield Figure(
        name="disagreement of looks against error at ED, correlation",
        value=float(np.corrcoef(errors, doubts)[0, 1]),
        note=f"{len(errors)} stacks",
    )
