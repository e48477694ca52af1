"""The corpus on disk: shards of samples, made once, by seed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.operator import Coils
from models.train.machine import pieces
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
    jobs: int = 1,
) -> None:
    """Write the shards that are not there yet, the last ``rich`` of them of rich samples.

    ``tell`` hears how many there are. The same shards by however many ``jobs``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces(partial(_write, folder, seed, shapes, shards - rich, SHARD), shards, jobs, tell)


def _write(
    folder: Path, seed: int, shapes: list[tuple[int, int]], plain: int, count: int, index: int
) -> None:
    path = folder / f"{index:05d}.pt"
    if path.exists():
        return
    random = np.random.default_rng([seed, index])
    shape = shapes[index % len(shapes)]
    part = path.with_suffix(".part")
    torch.save([pack(draw(random, shape, rich=index >= plain)) for _ in range(count)], part)
    part.rename(path)


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
