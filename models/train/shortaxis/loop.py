"""Training of a segmentation network: it resumes where it was, and is judged by other slices."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models import zoo
from models.errors import ModelError
from models.nets.segmenter import Segmenter
from models.train.course import Tell, follow
from models.train.fields import Random
from models.train.machine import RESERVE, Machine, single
from models.train.shortaxis import corpus
from models.train.shortaxis.level import level
from models.train.shortaxis.recipe import SegmentationRecipe
from models.train.state import CHECKPOINT, State, rate

Judged = tuple[torch.Tensor, torch.Tensor]
"""Windows, float32 [slice, frame, y, x], and labels, int64 [slice, y, x]."""

JUDGED = 96
"""Slices to judge by."""

WEIGHTS = "weights.safetensors"

Ready = Callable[[int, float], bool]
"""Waits for a shard of the corpus up to a ``time.monotonic()``: whether it is there."""


def train(
    recipe: SegmentationRecipe,
    folder: Path,
    tell: Tell | None = None,
    machine: Machine | None = None,
    ready: Ready | None = None,
) -> Segmenter:
    """Train by a recipe in a folder with corpus, checkpoint and curve; the model is the smoothed one, whose
    weights are written as ``weights.safetensors``, as a card states them.

    ``ready`` waits for a shard, where they are still being drawn. Raises ModelError: the weights to begin
    with are not at hand.
    """
    torch.manual_seed(recipe.seed)
    machine = machine or Machine()
    check(recipe, folder)
    state = begin(recipe, folder, machine.device)
    state.resume()
    if state.step >= recipe.steps:
        return _finished(state.smooth, recipe, folder)
    judges = judging(recipe)
    follow(
        state,
        recipe.steps,
        recipe.every,
        _endless(recipe, folder, state.step, machine, ready),
        lambda batch, at: learn(state, recipe, batch[0], batch[1], at),
        lambda model: {"dice": judge(model, judges)},
        tell,
        machine,
    )
    return _finished(state.smooth, recipe, folder)


def check(recipe: SegmentationRecipe, folder: Path) -> None:
    """Raise ModelError where a training cannot begin in a folder, before its corpus is drawn, or not end."""
    if recipe.begin and (recipe.kept or not (folder / CHECKPOINT).exists()):
        _known(recipe)


def _finished(network: Segmenter, recipe: SegmentationRecipe, folder: Path) -> Segmenter:
    """The model of a training whose mean over the last steps is ``network``; its weights are written."""
    if recipe.kept:
        mean, before = network.state_dict(), _known(recipe).state_dict()
        for name, value in mean.items():
            if value.is_floating_point():
                value.lerp_(before[name].to(value.device), recipe.kept)
    if recipe.level:
        random = np.random.default_rng([recipe.seed, 2**31 + 1])
        level(network, *_centred(recipe, random, recipe.level))
    (folder / WEIGHTS).write_bytes(zoo.packed(network))
    return network.eval()


def loss_of(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus 1 - the classes' mean soft Dice over the batch (Milletari et al., 3DV 2016)."""
    chances = scores.softmax(1)
    truth = torch.nn.functional.one_hot(labels, scores.shape[1]).permute(0, 3, 1, 2).float()
    both = (chances * truth).sum((0, 2, 3))[1:]
    all_ = (chances + truth).sum((0, 2, 3))[1:]
    dice = ((2 * both + 1) / (all_ + 1)).mean()
    return torch.nn.functional.cross_entropy(scores, labels) + 1 - dice


def judging(recipe: SegmentationRecipe) -> Judged:
    """The windows to judge by; other seeds than any corpus has."""
    random = np.random.default_rng([recipe.seed, 2**31])
    return _centred(recipe, random, JUDGED)


def _centred(recipe: SegmentationRecipe, random: Random, count: int) -> Judged:
    design = recipe.design
    with single():
        drawn = corpus.slices(random, count)
    return corpus.centred(drawn, recipe.window, design.pixel, design.frames)


def judge(model: Segmenter, windows: Judged) -> list[float]:
    """Dice of each class over all windows."""
    device = next(model.parameters()).device
    images, labels = (part.to(device) for part in windows)
    model.eval()
    with torch.inference_mode():
        parts = torch.split(images, 16)
        found = torch.cat(
            [model(part.contiguous(memory_format=torch.channels_last)).argmax(1) for part in parts]
        )
    return [dice(found == label, labels == label) for label in (1, 2, 3)]


def dice(one: torch.Tensor, other: torch.Tensor) -> float:
    """Twice the overlap over the sum of two masks; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _endless(
    recipe: SegmentationRecipe, folder: Path, done: int, machine: Machine, ready: Ready | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from ``done`` steps on, shard after shard (``shard_at``); at a deadline that a shard has missed
    the first one is taken instead.

    A GPU keeps every shard that it has seen; a processor has one at a time.
    """
    each = corpus.SHARD // recipe.batch
    step = done // each * each
    known: dict[int, corpus.Slices] = {}
    device = machine.device
    while True:
        random = np.random.default_rng([recipe.seed, 2, step])
        index = shard_at(recipe, step)
        if ready and index not in known and not ready(index, machine.deadline - RESERVE):
            index = 0
        shard = known.get(index) or corpus.load(folder / "corpus", index, device)
        if device.type != "cpu":
            known[index] = shard
        how = recipe.batch, recipe.window, random, recipe.design.pixel, recipe.narrow, recipe.design.frames
        for batch in corpus.batches(shard, *how):
            step += 1
            if step > done:
                yield batch


def shard_at(recipe: SegmentationRecipe, step: int) -> int:
    """The shard that is learned from at a step: each once in an order that the seed and the pass give; of a
    corpus that grows one that has just joined, or any of those that joined before."""
    each = corpus.SHARD // recipe.batch
    if not recipe.fresh:
        turn, place = divmod(step // each, recipe.shards)
        return int(np.random.default_rng([recipe.seed, 1, turn]).permutation(recipe.shards)[place])
    newest = step // recipe.fresh
    if newest < recipe.shards and step - each < newest * recipe.fresh:
        return newest
    return int(np.random.default_rng([recipe.seed, 1, step]).integers(min(newest + 1, recipe.shards)))


def begin(recipe: SegmentationRecipe, folder: Path, device: torch.device) -> State[Segmenter]:
    """A training of which no step is done. Raises ModelError: the weights to begin with are not at hand."""
    model, smooth = Segmenter(recipe.design), Segmenter(recipe.design)
    if recipe.begin and not (folder / CHECKPOINT).exists():
        model.load_state_dict(_known(recipe).state_dict())
    for each in (model, smooth):
        each.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = device.type == "cuda"
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=1e-3, fused=fused)
    return State(folder, model, smooth, optimiser, recipe.average)


def _known(recipe: SegmentationRecipe) -> nn.Module:
    model = zoo.load(recipe.name)
    if model.sha256 != recipe.begin:
        raise ModelError(
            f"recipe {recipe.name} begins with weights of SHA-256 {recipe.begin[:16]}..., at hand are "
            f"{model.sha256[:16]}...: put that version's card and weights into a folder of SCANSIDE_MODELS"
        )
    if model.card.design != recipe.design:
        raise ModelError(f"recipe {recipe.name} begins with weights of another design")
    return model.network


def learn(
    state: State[Segmenter], recipe: SegmentationRecipe, images: torch.Tensor, labels: torch.Tensor, at: int
) -> torch.Tensor:
    """The loss of a step on images [slice, frame, y, x] and labels [slice, y, x], the ``at``-th of all."""
    state.model.train()
    half = recipe.precision == "bfloat16"
    with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
        scores = state.model(images.contiguous(memory_format=torch.channels_last))
    loss = loss_of(scores.float(), labels)
    return state.descend(loss, rate(at, recipe.steps, recipe.warmup), 5.0)
