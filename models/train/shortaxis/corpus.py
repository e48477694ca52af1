"""Drawn slices on disk: shards, made once, by seed."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.train.fields import Random
from models.train.machine import pieces
from models.train.shortaxis.draw import draw

SHARD = 128
"""Slices in a shard."""

SCALES = (0.6, 0.85)
"""Pixels in training over those that were drawn: a network of pixels of 2 mm learns faster than of 1.4."""

Slices = tuple[torch.Tensor, torch.Tensor]
"""Images, float16 [slice, y, x], and labels, uint8 [slice, y, x]."""


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
    return images, torch.stack([each.labels for each in drawn])


def load(folder: Path, index: int) -> Slices:
    """The slices of one shard."""
    found: Slices = torch.load(folder / f"{index:05d}.pt", weights_only=True)
    return found


def batches(
    shard: Slices, size: int, window: int, random: Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches in random order, float32 [slice, 1, y, x] and int64 [slice, y, x], varied a little.

    Each slice gives one window of itself, somewhere, on pixels that are larger by a random factor.
    """
    images, labels = _windows(scaled(shard, random.uniform(*SCALES)), window, random)
    order = torch.from_numpy(random.permutation(len(images)))
    for first in range(0, len(order) - size + 1, size):
        chosen = order[first : first + size]
        yield vary(images[chosen].float()[:, None], labels[chosen].long(), random)


def scaled(shard: Slices, scale: float) -> Slices:
    """The slices on larger pixels; a pixel has the label at its middle."""
    images, labels = shard
    size = round(images.shape[-1] * scale)
    at = ((torch.arange(size) + 0.5) * images.shape[-1] / size - 0.5).round().long()
    smaller = torch.nn.functional.interpolate(
        images.float()[:, None], (size, size), mode="bilinear", antialias=True
    )
    return smaller[:, 0], labels[:, at][:, :, at]


def _windows(shard: Slices, window: int, random: Random) -> Slices:
    """A window of each slice; three of four have the heart near the middle, where there is one."""
    images, labels = shard
    cut = [_place(each, window, random) for each in labels]
    return (
        torch.stack([image[place] for image, place in zip(images, cut, strict=True)]),
        torch.stack([label[place] for label, place in zip(labels, cut, strict=True)]),
    )


def _place(labels: torch.Tensor, window: int, random: Random) -> tuple[slice, slice]:
    free = labels.shape[-1] - window
    corner = random.integers(0, free + 1, 2)
    if random.random() < 0.75 and bool(labels.any()):
        middle = labels.nonzero().float().mean(0).numpy()
        corner = (middle - window / 2 + random.uniform(-0.15, 0.15, 2) * window).round().clip(0, free)
    y, x = (int(each) for each in corner)
    return slice(y, y + window), slice(x, x + window)


def vary(images: torch.Tensor, labels: torch.Tensor, random: Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Other contrast and noise for each slice; now and then the whole batch turned or mirrored."""
    count = len(images)
    top = images.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    power = torch.from_numpy(random.uniform(0.75, 1.35, (count, 1, 1, 1))).float()
    images = top * (images / top).clamp_min(0) ** power
    noise = torch.from_numpy(random.standard_normal(images.shape, dtype="float32"))
    sd = torch.from_numpy(random.uniform(0, 0.03, (count, 1, 1, 1))).float()
    images = (images + sd * top * noise).abs()
    if random.random() < 0.3:
        turns = int(random.integers(0, 4))
        images, labels = torch.rot90(images, turns, (2, 3)), torch.rot90(labels, turns, (1, 2))
    if random.random() < 0.2:
        images, labels = images.flip(-1), labels.flip(-1)
    return images, labels
