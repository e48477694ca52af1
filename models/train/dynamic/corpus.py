"""Series on disk, made once by seed, and side by side on the device that trains."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.inputs import trained
from models.operator import circulant, gram, proximal
from models.train.dynamic.samples import Series, draw
from models.train.fields import Random
from models.train.machine import pieces
from models.train.stock import turned

SHARD = 8
"""Series in a shard; all have one shape."""

Stored = dict[str, torch.Tensor]
"""A series as stored: ``start``, ``adjoint``, ``target``, ``maps`` (float16), ``sampled``, ``scale``."""


def make(
    folder: Path,
    seed: int,
    shards: int,
    shapes: list[tuple[int, int, int]],
    tell: Callable[[int], None] | None = None,
    jobs: int = 1,
) -> None:
    """Write the shards that are not there yet; ``tell`` hears how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces(partial(_write, folder, seed, shapes, SHARD), shards, jobs, tell)


def _write(folder: Path, seed: int, shapes: list[tuple[int, int, int]], count: int, index: int) -> None:
    path = folder / f"{index:05d}.pt"
    if path.exists():
        return
    random = np.random.default_rng([seed, 9, index])
    part = path.with_suffix(".part")
    torch.save([pack(draw(random, shapes[index % len(shapes)])) for _ in range(count)], part)
    part.rename(path)


def pack(series: Series) -> Stored:
    """The tensors of a series, small."""
    return {
        "start": series.start.half(),
        "adjoint": series.adjoint.half(),
        "target": series.target.half(),
        "maps": torch.view_as_real(series.maps).half(),
        "sampled": series.sampled,
        "scale": torch.tensor(series.scale),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Ready:
    """A series on its device, with the matrices of its patterns: these are made here, and not stored."""

    images: torch.Tensor
    """Start and A^H y, each of the signal and of the noise alone, float16 [2, t, 2, 2, y, x]."""

    target: torch.Tensor
    matrices: torch.Tensor
    """weight P in two-channel form, float16 [pattern, x, y, 2 y]."""

    pattern: torch.Tensor
    """Of each frame, int64 [t]."""

    support: torch.Tensor
    """float32 [1, y, x]; over the scale it is the noise map of the start."""

    scale: float
    weight: float

    @classmethod
    def of(cls, stored: Stored, device: torch.device) -> "Ready":
        """Set up."""
        maps = torch.view_as_complex(stored["maps"].to(device).float())
        coils, scale = gram(maps[None]), float(stored["scale"])
        weight = trained(scale)
        patterns, pattern = torch.unique(stored["sampled"], dim=0, return_inverse=True)
        rings = [circulant(each.float().to(device)) for each in patterns]
        exact = torch.stack([(weight * proximal(coils * ring, weight).channels()).half() for ring in rings])
        return cls(
            images=torch.stack([stored["start"], stored["adjoint"]]).to(device),
            target=stored["target"].to(device),
            matrices=exact,
            pattern=pattern.to(device),
            support=(maps.abs().amax(0) > 0).float()[None],
            scale=scale,
            weight=weight,
        )

    def batch(
        self, noise: float = 1.0, turns: tuple[float, float] = (0.0, 0.0), *, mirror: bool = False
    ) -> tuple[torch.Tensor, ...]:
        """What a network takes of the series, the target, and the support [t, 1, y, x].

        With the noise times a factor, signal and noise turned in phase, mirrored along x.
        """
        sizes = ((1.0, turns[0]), (noise, turns[1]))
        cos, sin = (
            torch.tensor([size * float(f(turn)) for size, turn in sizes], device=self.target.device)
            for f in (math.cos, math.sin)
        )
        shape = (2, 1, 1, 1)
        both = turned(self.images.float(), cos.view(shape), sin.view(shape))
        target = turned(self.target.float(), cos[:1], sin[:1])
        start, adjoint = both.sum(2)
        sd = (noise / self.scale) * self.support.expand(len(target), -1, -1, -1)
        matrix = self.matrices[self.pattern]
        pictures = [start, adjoint / self.weight, sd, target, self.support.expand_as(sd)]
        if mirror:
            pictures, matrix = [part.flip(-1) for part in pictures], matrix.flip(1)
        return *pictures[:2], matrix.float(), *pictures[2:]


def load(folder: Path, index: int, device: torch.device) -> list[Ready]:
    """The series of one shard, set up."""
    found: list[Stored] = torch.load(folder / f"{index:05d}.pt", weights_only=True)
    return [Ready.of(each, device) for each in found]


def batches(stock: list[Ready], size: int, random: Random) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches of ``size`` series, one behind the other, in random order, each varied."""
    order = random.permutation(len(stock))
    for first in range(0, len(order) - size + 1, size):
        chosen = [
            stock[index].batch(
                math.exp(random.uniform(-0.3, 0.3)),
                tuple(random.uniform(0, 2 * math.pi, 2)),
                mirror=bool(random.random() < 0.5),
            )
            for index in order[first : first + size]
        ]
        yield tuple(torch.cat(parts) for parts in zip(*chosen, strict=True))
