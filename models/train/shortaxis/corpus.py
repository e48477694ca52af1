"""Drawn slices on disk: shards, made once, by seed."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.nets.segmenter import MULTIPLE, PIXEL
from models.train.fields import Random
from models.train.machine import pieces
from models.train.shortaxis.draw import draw

SHARD = 128
"""Slices in a shard."""

SCALE = 1.25
"""By how much they are larger or smaller in training: headers err, and hearts differ."""

Slices = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Images, float16 [slice, y, x], labels, uint8 [slice, y, x], and sides of pixels [mm], float32 [slice]."""


def make(
    folder: Path, seed: int, shards: int, tell: Callable[[int], None] | None = None, jobs: int = 1
) -> None:
    """Write the shards that are not there yet; ``tell`` hears how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces(partial(_write, folder, seed, SHARD), shards, jobs, tell)


def _write(folder: Path, seed: int, count: int, index: int) -> None:
    path = folder / f"{index:05d}.pt"
    if not path.exists():
        part = path.with_suffix(".part")
        torch.save(slices(np.random.default_rng([seed, index]), count), part)
        part.rename(path)


def slices(random: Random, count: int) -> Slices:
    """New slices."""
    drawn = [draw(random) for _ in range(count)]
    images = torch.stack([each.image for each in drawn]).clamp_max(6e4).half()
    return images, torch.stack([each.labels for each in drawn]), torch.tensor([each.pixel for each in drawn])


def load(folder: Path, index: int, device: torch.device | None = None) -> Slices:
    """The slices of one shard."""
    found: Slices = torch.load(folder / f"{index:05d}.pt", weights_only=True, map_location=device)
    return found


def batches(
    shard: Slices, size: int, window: int, random: Random, pixel: float = PIXEL, narrow: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches in random order, float32 [slice, 1, y, x] and int64 [slice, y, x], where the shard is.

    Each slice gives one window of itself, turned, on pixels of about ``pixel`` [mm]. With ``narrow`` each
    batch has its own side, from there to ``window``: a series is looked at close around the heart, too.
    """
    order = torch.from_numpy(random.permutation(len(shard[0]))).to(shard[0].device)
    for first in range(0, len(order) - size + 1, size):
        chosen = [each[order[first : first + size]] for each in shard]
        side = (
            MULTIPLE * int(random.integers(narrow // MULTIPLE, window // MULTIPLE + 1)) if narrow else window
        )
        yield vary(*_windows((chosen[0], chosen[1], chosen[2]), side, random, pixel), random)


def centred(shard: Slices, window: int, pixel: float = PIXEL) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows about the middles of hearts, or of slices without one: nothing turned, pixels of ``pixel``."""
    step = torch.eye(2, device=shard[2].device) * pixel / shard[2][:, None, None]
    return sampled(shard, middles(shard[1]), step, window)


def _windows(shard: Slices, window: int, random: Random, pixel: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A window of each slice; three of four have the heart near the middle, where there is one."""
    count, device = len(shard[0]), shard[0].device
    near = torch.from_numpy(random.random(count) < 0.75).to(device)
    away = torch.from_numpy(random.uniform(-0.15, 0.15, (count, 2))).float().to(device) * window
    anywhere = (
        torch.from_numpy(random.uniform(0.25, 0.75, (count, 2))).float().to(device) * shard[0].shape[-1]
    )
    middle = torch.where(near[:, None], middles(shard[1]) + away, anywhere)
    turn = torch.from_numpy(random.uniform(0, 2 * math.pi, count) * (random.random(count) < 0.5)).float()
    side = torch.from_numpy(np.where(random.random(count) < 0.2, -1.0, 1.0)).float()
    scale = torch.from_numpy(SCALE ** random.uniform(-1, 1, count)).float() * pixel
    rows = torch.stack([turn.cos(), -turn.sin() * side, turn.sin(), turn.cos() * side], 1).view(-1, 2, 2)
    step = rows.to(device) * (scale.to(device) / shard[2])[:, None, None]
    return sampled(shard, middle, step, window)


def middles(labels: torch.Tensor) -> torch.Tensor:
    """Mean place of what is labelled [slice, (y, x)], in pixels; the middle of slices where nothing is."""
    size = labels.shape[-1]
    mask = (labels > 0).float()
    at = torch.arange(size, device=labels.device, dtype=torch.float32)
    total = mask.sum((1, 2))
    sums = torch.stack([mask.sum(2) @ at, mask.sum(1) @ at], 1)
    return torch.where(total[:, None] > 0, sums / total.clamp_min(1)[:, None], (size - 1) / 2)


def sampled(
    shard: Slices, middle: torch.Tensor, step: torch.Tensor, window: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows about ``middle`` [slice, (y, x)] whose pixels are ``step`` [slice, 2, 2] of the slice's apart.

    An image is the mean of four points in each pixel and goes on beyond its edge; a label is that of the
    pixel's middle.
    """
    images, labels, _ = shard
    size = images.shape[-1]

    def places(count: int) -> torch.Tensor:
        axis = ((torch.arange(count, device=images.device) + 0.5) / count - 0.5) * window
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
        at = torch.einsum("nij,yxj->nyxi", step, grid) + middle[:, None, None]
        return ((at + 0.5) * (2 / size) - 1).flip(-1)

    sample = torch.nn.functional.grid_sample
    seen = sample(images.float()[:, None], places(2 * window), padding_mode="border", align_corners=False)
    named = sample(labels.float()[:, None], places(window), mode="nearest", align_corners=False)
    return torch.nn.functional.avg_pool2d(seen, 2), named[:, 0].round().long()


def vary(images: torch.Tensor, labels: torch.Tensor, random: Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Other contrast and noise for each slice."""

    def factor(low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(random.uniform(low, high, (len(images), 1, 1, 1))).float().to(images.device)

    top = images.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    images = top * (images / top).clamp_min(0) ** factor(0.75, 1.35)
    own = torch.Generator(images.device).manual_seed(int(random.integers(2**62)))
    noise = torch.randn(images.shape, generator=own, device=images.device)
    return (images + factor(0, 0.03) * top * noise).abs(), labels
