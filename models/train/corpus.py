"""The corpus on disk: shards of samples, made once, by seed."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.operator import Coils
from models.train.samples import Sample, draw

SHARD = 32
"""Samples in a shard; all have one shape."""

Stored = dict[str, torch.Tensor]
"""A sample as stored: ``linear``, ``adjoint``, ``target``, ``sd``, ``maps`` (float16 parts), ``weights``;
``exact`` (weight P, float16), ``weight`` of that step, ``kept``."""


def make(
    folder: Path,
    seed: int,
    shards: int,
    shapes: list[tuple[int, int]],
    rich: int = 0,
    tell: Callable[[int], None] | None = None,
) -> None:
    """Write the shards that are not there yet, the last ``rich`` of them of rich samples.

    ``tell`` hears how many there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(shards):
        path = folder / f"{index:05d}.pt"
        if not path.exists():
            random = np.random.default_rng([seed, index])
            shape = shapes[index % len(shapes)]
            samples = [pack(draw(random, shape, rich=index >= shards - rich)) for _ in range(SHARD)]
            part = path.with_suffix(".part")
            torch.save(samples, part)
            part.rename(path)
        if tell:
            tell(index + 1)


def pack(sample: Sample) -> Stored:
    """The tensors of a sample, small."""
    return {
        "linear": sample.linear,
        "adjoint": sample.adjoint,
        "target": sample.target,
        "sd": sample.sd,
        "maps": torch.view_as_real(sample.maps).half(),
        "weights": sample.weights,
        "exact": (sample.exact.weight * sample.exact.channels()).half(),
        "weight": torch.tensor(sample.exact.weight),
        "kept": torch.tensor(sample.kept),
    }


def load(folder: Path, index: int) -> list[Stored]:
    """The samples of one shard."""
    found: list[Stored] = torch.load(folder / f"{index:05d}.pt", weights_only=True, mmap=True)
    return found


def batches(
    samples: list[Stored], size: int, random: np.random.Generator, *, exact: bool
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches of samples of one shape in random order, each turned, mirrored and phased at random.

    What ``inputs`` gives of each.
    """
    order = random.permutation(len(samples))
    for first in range(0, len(order) - size + 1, size):
        chosen = [_varied(samples[index], random, exact=exact) for index in order[first : first + size]]
        yield tuple(torch.stack(parts) for parts in zip(*chosen, strict=True))


def inputs(sample: Stored, *, exact: bool) -> tuple[torch.Tensor, ...]:
    """What a sample gives a network, and the target and support to judge by; without a batch axis.

    ``linear``, ``adjoint``, matrix, ``sd``; the matrix is A^H A, or with ``exact`` that of the proximal step,
    both in two-channel form.
    """
    support = (sample["maps"].abs().amax((0, -1)) > 0).float()[None]
    linear, adjoint = sample["linear"].sum(0), sample["adjoint"].sum(0)
    target = sample["target"] + sample["kept"] * sample["adjoint"][1]
    if exact:
        return linear, adjoint / sample["weight"], sample["exact"].float(), sample["sd"], target, support
    maps = torch.view_as_complex(sample["maps"].float())
    normal = Coils.of(maps[None]).normal(sample["weights"])
    matrix = torch.cat([normal.real, -normal.imag], -1)
    return linear, adjoint, matrix, sample["sd"], target, support


def _varied(sample: Stored, random: np.random.Generator, *, exact: bool) -> tuple[torch.Tensor, ...]:
    """Other noise levels and phases of noise and signal, and a mirror along x: none changes the lines."""
    noise = math.exp(random.uniform(-0.3, 0.3))
    turns = random.uniform(0, 2 * math.pi, 2)
    parts = [_turned(sample[name], turns, noise) for name in ("linear", "adjoint")]
    varied = {**sample, "linear": parts[0], "adjoint": parts[1], "sd": noise * sample["sd"]}
    varied["target"] = _turned(sample["target"][None], turns, noise)[0]
    if random.random() < 0.5:
        for name in ("linear", "adjoint", "sd", "target"):
            varied[name] = varied[name].flip(-1)
        varied["maps"], varied["exact"] = sample["maps"].flip(-2), sample["exact"].flip(0)
    return inputs(varied, exact=exact)


def _turned(images: torch.Tensor, turns: np.ndarray[Any, Any], noise: float) -> torch.Tensor:
    """Images of signal and noise [part, 2, y, x], each with its own phase, the noise with a factor."""
    factors = zip((1.0, noise), turns, strict=True)
    return torch.stack(
        [
            size
            * torch.stack(
                [
                    math.cos(turn) * image[0] - math.sin(turn) * image[1],
                    math.sin(turn) * image[0] + math.cos(turn) * image[1],
                ]
            )
            for image, (size, turn) in zip(images, factors, strict=False)
        ]
    )
