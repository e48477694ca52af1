"""Drawn slices on disk: shards, made once, by seed."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from models.nets.segmenter import MULTIPLE, PIXEL
from models.train.fields import Random
from models.train.machine import arriving, pieces
from models.train.shortaxis.draw import draw

SHARD = 128
"""Slices in a shard."""

SCALE = 1.25
"""By how much they are larger or smaller in training: headers err, and hearts differ."""

Slices = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Images, float16 [slice, moment, y, x], labels, uint8 [slice, moment, y, x], and sides of pixels [mm],
float32 [slice]."""

ALONE = 0.15
"""How often a step sees a slice without its other moments."""

TAUGHT = (0.4, 0.4, 0.2)
"""How often each moment is the one whose labels are learned."""


def make(
    folder: Path, seed: int, shards: int, tell: Callable[[int], None] | None = None, jobs: int = 1
) -> None:
    """Write the shards that are not there yet; ``tell`` hears how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces(partial(_write, folder, seed, SHARD), shards, jobs, tell)


def growing(
    folder: Path, seed: int, shards: int, tell: Callable[[int], None] | None = None, jobs: int = 1
) -> AbstractContextManager[Callable[[int, float], bool]]:
    """The same shards while something else goes on; what it gives waits for one (``arriving``)."""
    folder.mkdir(parents=True, exist_ok=True)
    return arriving(partial(_write, folder, seed, SHARD), shards, jobs, tell)


def _write(folder: Path, seed: int, count: int, index: int) -> None:
    path = folder / f"{index:05d}.pt"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        torch.save(slices(np.random.default_rng([seed, index]), count), part)
        part.rename(path)


def slices(random: Random, count: int) -> Slices:
    """New slices."""
    drawn = [draw(random) for _ in range(count)]
    images = torch.stack([each.images for each in drawn]).clamp_max(6e4).half()
    return images, torch.stack([each.labels for each in drawn]), torch.tensor([each.pixel for each in drawn])


def load(folder: Path, index: int, device: torch.device | None = None) -> Slices:
    """The slices of one shard."""
    found: Slices = torch.load(folder / f"{index:05d}.pt", weights_only=True, map_location=device)
    return found


def batches(
    shard: Slices,
    size: int,
    window: int,
    random: Random,
    pixel: float = PIXEL,
    narrow: int = 0,
    frames: int = 1,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches in random order, float32 [slice, frame, y, x] and int64 [slice, y, x], where the shard is.

    Each slice gives one window of itself, turned, on pixels of about ``pixel`` [mm]. With ``narrow`` each
    batch has its own side, from there to ``window``: a series is looked at close around the heart, too.
    The first of the ``frames`` is the moment of the labels; end-diastole and end-systole are beside it.
    """
    order = torch.from_numpy(random.permutation(len(shard[0]))).to(shard[0].device)
    for first in range(0, len(order) - size + 1, size):
        chosen = [each[order[first : first + size]] for each in shard]
        side = (
            MULTIPLE * int(random.integers(narrow // MULTIPLE, window // MULTIPLE + 1)) if narrow else window
        )
        which = torch.from_numpy(random.choice(len(TAUGHT), size, p=TAUGHT)).to(shard[0].device)
        alone = torch.from_numpy(random.random(size) < ALONE).to(shard[0].device)
        images, labels = _windows(_labelled(chosen, which), side, random, pixel)
        yield presented(vary(images, random), which, alone, frames), labels


def _labelled(shard: Sequence[torch.Tensor], which: torch.Tensor) -> Slices:
    """Slices with the labels of one moment each, ``which`` [slice]: labels [slice, y, x]."""
    images, labels, pixels = shard
    return images, labels[torch.arange(len(which), device=which.device), which], pixels


def presented(images: torch.Tensor, which: torch.Tensor, alone: torch.Tensor, frames: int) -> torch.Tensor:
    """Images [slice, moment, y, x] as a network is shown them, [slice, frame, y, x].

    The moment ``which`` [slice] and, beside it, the first two; itself where it is seen ``alone`` [slice].
    """
    rows = torch.arange(len(which), device=which.device)[:, None]
    beside = torch.arange(frames - 1, device=which.device).expand(len(which), -1)
    beside = torch.where(alone[:, None], which[:, None], beside)
    return images[rows, torch.cat([which[:, None], beside], 1)]


def centred(
    shard: Slices, window: int, pixel: float = PIXEL, frames: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows about the middles of hearts, or of slices without one: nothing turned, pixels of ``pixel``.

    End-diastole and end-systole in turn.
    """
    which = torch.arange(len(shard[0]), device=shard[0].device) % 2
    shown = _labelled(shard, which)
    step = torch.eye(2, device=shown[2].device) * pixel / shown[2][:, None, None]
    images, labels = sampled(shown, middles(shown[1]), step, window)
    return presented(images, which, torch.zeros_like(which, dtype=torch.bool), frames), labels


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
    """Windows about ``middle`` [slice, (y, x)] whose pixels are ``step`` [slice, 2, 2] of the slice's apart,
    of images [slice, moment, y, x] and labels [slice, y, x].

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
    seen = sample(images.float(), places(2 * window), padding_mode="border", align_corners=False)
    named = sample(labels.float()[:, None], places(window), mode="nearest", align_corners=False)
    return torch.nn.functional.avg_pool2d(seen, 2), named[:, 0].round().long()


def vary(images: torch.Tensor, random: Random) -> torch.Tensor:
    """Other contrast and noise for each slice, images [slice, moment, y, x]."""

    def factor(low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(random.uniform(low, high, (len(images), 1, 1, 1))).float().to(images.device)

    top = images.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    images = top * (images / top).clamp_min(0) ** factor(0.75, 1.35)
    own = torch.Generator(images.device).manual_seed(int(random.integers(2**62)))
    noise = torch.randn(images.shape, generator=own, device=images.device)
    return (images + factor(0, 0.03) * top * noise).abs()
