"""How the segmentation of real hearts holds when their images get worse, and whether its uncertainty says so.

Four subjects of ``segmentation/``, both phases; two of them where lines are left out (``undersampled``: every
R-th is kept, through simulated coils), with the linear image and with the unrolled network's. Dice is the
mean of left cavity, muscle and right cavity; a figure is that mean, its note the three and what the gate
refuses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.segmentation import PIXEL, Subject, network, scores, subjects
from benchmarks.undersampled import undersampled
from gadgets.arrays import to_image, to_kspace
from models import zoo
from models.cardiac.function import curves
from models.cardiac.gate import judge
from models.cardiac.segment import Reader, segment
from models.errors import ModelError
from models.train.fields import smooth

SUBJECTS, ACCELERATED = 4, 2
FACTORS = (1, 2, 4, 6, 8)
"""Of acceleration."""

Worse = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
"""Images [phase, slice, y, x], made worse."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """One stack."""

    dice: NDArray[np.float64]
    """[phase, class]."""

    doubt: float
    """How much looks at it disagree."""

    accepted: bool

    @property
    def error(self) -> float:
        """1 - Dice of left cavity and muscle at end-diastole."""
        return float(1 - self.dice[0, :2].mean())


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
    tried: list[Tried] = []
    for name, (worse, pixel) in ways.items():
        found = [
            tell(reader, each, worse(each.images, np.random.default_rng(index)), pixel)
            for index, each in enumerate(known)
        ]
        yield _row(name, found)
        tried += found
    for name, found in _accelerated(reader, known[:ACCELERATED]):
        yield _row(name, found)
        tried += found
    errors, doubts = ([getattr(one, name) for one in tried] for name in ("error", "doubt"))
    yield Figure(
        name="disagreement of looks against error at ED, correlation",
        value=float(np.corrcoef(errors, doubts)[0, 1]),
        note=f"{len(errors)} stacks",
    )


def _accelerated(reader: Reader, known: list[Subject]) -> Iterator[tuple[str, list[Tried]]]:
    """What each reconstruction of every R-th line gives."""
    try:
        model = zoo.load("unrolled-2d")
    except ModelError:
        return
    for factor in FACTORS:
        found: dict[str, list[Tried]] = {"linear": [], "unrolled": []}
        for index, each in enumerate(known):
            random = np.random.default_rng([index, factor])
            fov = each.images.shape[-2] * PIXEL * 1e-3
            slices = [undersampled(model, one, fov, factor, random) for one in each.images.unbind(1)]
            linear, learned = ([getattr(one, name) for one in slices] for name in ("linear", "learned"))
            found["linear"].append(tell(reader, each, torch.stack(linear, 1), PIXEL))
            found["unrolled"].append(tell(reader, each, torch.stack(learned, 1), PIXEL))
        for name, rows in found.items():
            yield f"R = {factor}, {name}", rows


def tell(reader: Reader, subject: Subject, images: torch.Tensor, pixel: float) -> Tried:
    """What the segmentation makes of a subject's images."""
    found = segment(reader, images, pixel)
    dice = scores(found.labels, subject.labels)
    accepted = judge(found.labels[0], curves(found.labels, 1e-3), found.disagreement).accepted
    return Tried(dice=dice, doubt=found.disagreement, accepted=accepted)


def _row(name: str, tried: list[Tried]) -> Figure:
    each, refused = np.mean([one.dice for one in tried], (0, 1)), sum(not one.accepted for one in tried)
    words = f"LV {each[0]:.3f}, muscle {each[1]:.3f}, RV {each[2]:.3f}; {refused} of {len(tried)} refused"
    return Figure(name=f"Dice, {name}", value=float(each.mean()), note=words)
