"""Samples side by side on the device that trains, and batches of them that vary."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from models.train.corpus import Stored, inputs
from models.train.fields import Random

Numbers: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stock:
    """Samples of one shape: what ``corpus.inputs`` gives of each, signal and noise apart."""

    images: torch.Tensor
    """Linear image and A^H y, each of the signal and of the noise alone, float32 [sample, 2, 2, 2, y, x]."""

    matrix: torch.Tensor
    """[sample, x, y, 2 y]; float16 where it is that of the exact step."""

    sd: torch.Tensor
    target: torch.Tensor
    support: torch.Tensor
    kept: torch.Tensor
    weight: torch.Tensor
    """Of the exact step; 1 where there is none."""

    @classmethod
    def of(cls, samples: list[Stored], device: torch.device, *, exact: bool) -> "Stock":
        """The samples of a shard."""

        def side(name: str) -> torch.Tensor:
            return torch.stack([sample[name].to(device) for sample in samples])

        seen = [(sample["maps"].to(device).abs().amax((0, -1)) > 0).float()[None] for sample in samples]
        if exact:
            matrix, weight = side("exact"), side("weight")
        else:
            matrix = torch.stack([inputs(sample, exact=False)[2] for sample in samples]).to(device)
            weight = torch.ones(len(samples), device=device)
        return cls(
            images=torch.stack([side("linear"), side("adjoint")], 1),
            matrix=matrix,
            sd=side("sd"),
            target=side("target"),
            support=torch.stack(seen),
            kept=side("kept"),
            weight=weight,
        )

    def batches(self, size: int, random: Random) -> Iterator[tuple[torch.Tensor, ...]]:
        """Batches in random order, each sample turned, mirrored and phased at random.

        Other noise levels and phases of noise and signal, and a mirror along x: none changes the lines.
        """
        order = random.permutation(len(self.sd))
        for first in range(0, len(order) - size + 1, size):
            drawn = [_draw(random) for _ in range(size)]
            yield self.varied(order[first : first + size], np.array(drawn))

    def varied(self, chosen: Numbers, drawn: Numbers) -> tuple[torch.Tensor, ...]:
        """A batch: ``drawn`` [sample, 4] are the noise's factor, the turns of signal and noise, a mirror."""
        device = self.sd.device
        at = torch.from_numpy(chosen).to(device)
        sizes, turns = np.stack([np.ones(len(drawn)), drawn[:, 0]], 1), drawn[:, 1:3]
        factors = np.stack([sizes * np.cos(turns), sizes * np.sin(turns)]).astype(np.float32)
        cos, sin = torch.from_numpy(factors)[..., None, None, None].to(device)
        images = turned(self.images[at], cos[:, None], sin[:, None])
        target = turned(self.target[at], cos[:, 0], sin[:, 0])
        noise, weight, kept = (
            part[:, None, None, None]
            for part in (torch.from_numpy(sizes[:, 1]).float().to(device), self.weight[at], self.kept[at])
        )
        target = target + kept * images[:, 1, 1]
        linear, adjoint = images[:, 0].sum(1), images[:, 1].sum(1) / weight
        mirror = torch.from_numpy(drawn[:, 3] > 0)[:, None, None, None].to(device)
        matrix = self.matrix[at]
        pictures = [torch.where(mirror, part.flip(-1), part) for part in (linear, adjoint, target)]
        sd, support = (
            torch.where(mirror, part.flip(-1), part) for part in (noise * self.sd[at], self.support[at])
        )
        return *pictures[:2], torch.where(mirror, matrix.flip(1), matrix).float(), sd, pictures[2], support


def _draw(random: Random) -> tuple[float, float, float, float]:
    noise = math.exp(random.uniform(-0.3, 0.3))
    one, other = random.uniform(0, 2 * math.pi, 2)
    return noise, one, other, float(random.random() < 0.5)


def turned(images: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Two-channel images [..., 2, y, x] times a complex number each; ``cos`` and ``sin`` [..., 1, 1, 1]."""
    real, imag = images[..., :1, :, :], images[..., 1:, :, :]
    return torch.cat([cos * real - sin * imag, sin * real + cos * imag], -3)
