"""The training of dynamic networks: it resumes where it was; families that it never sees judge it."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from models.nets.frames import by_series
from models.nets.unrolled import Unrolled
from models.train.course import Tell, follow, unrolled
from models.train.dynamic import corpus
from models.train.dynamic.corpus import Ready
from models.train.dynamic.recipe import DynamicRecipe
from models.train.dynamic.samples import draw
from models.train.machine import Machine
from models.train.state import State, rate

JUDGED = tuple((family, snr) for snr in (20.0, 40.0, 80.0) for family in ("cells", "other photograph"))
"""Held-out families and peak SNR; two series each."""


def train(
    recipe: DynamicRecipe, folder: Path, tell: Tell | None = None, machine: Machine | None = None
) -> Unrolled:
    """Train in a folder that keeps corpus, checkpoint and curve; the model is the average over steps."""
    machine = machine or Machine()
    torch.manual_seed(recipe.seed)
    state = unrolled(recipe.design, recipe.rate, recipe.average, folder, machine.device)
    state.resume()
    if state.step >= recipe.steps:
        return state.smooth
    judges = judging(recipe, machine.device)
    follow(
        state,
        recipe.steps,
        recipe.every,
        _endless(recipe, folder / "corpus", state.step, machine.device),
        lambda batch, at: _learn(state, recipe, batch, at),
        lambda model: {"gain_db": judge(model, judges)},
        tell,
        machine,
    )
    return state.smooth


def judging(recipe: DynamicRecipe, device: torch.device) -> list[Ready]:
    """The series to judge by; other seeds than any corpus has."""
    random = np.random.default_rng([recipe.seed, 2**31])
    drawn = [draw(random, recipe.shapes[0], family, snr) for family, snr in JUDGED for _ in range(2)]
    return [Ready.of(corpus.pack(each), device) for each in drawn]


def judge(model: Unrolled, series: list[Ready]) -> float:
    """Mean of 10 log10 of (energy of the view-shared images' error / that of the model's) [dB]."""
    gains = []
    with torch.no_grad():
        for each in series:
            *given, target, support = each.batch()
            errors = [error(image, target, support, 1) for image in (given[0], model(*given))]
            gains.append(10 * math.log10(float(errors[0] / errors[1])))
    return sum(gains) / len(gains)


def error(image: torch.Tensor, target: torch.Tensor, support: torch.Tensor, series: int) -> torch.Tensor:
    """Mean square over the support and the frames, [series]."""
    squares = by_series((image - target).square() * support, series).sum((1, 2, 3, 4))
    return squares / by_series(support, series).sum((1, 2, 3, 4)).clamp(min=1)


def _endless(
    recipe: DynamicRecipe, shards: Path, done: int, device: torch.device
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches from ``done`` steps on: shard after shard in an order that the seed and the pass give."""
    each = corpus.SHARD // recipe.batch
    step = done // each * each
    known: dict[int, list[Ready]] = {}
    while True:
        turn, place = divmod(step // each, recipe.shards)
        index = int(np.random.default_rng([recipe.seed, 1, turn]).permutation(recipe.shards)[place])
        random = np.random.default_rng([recipe.seed, 2, step])
        stock = known.get(index) or corpus.load(shards, index, device)
        if device.type != "cpu":
            known[index] = stock
        for batch in corpus.batches(stock, recipe.batch, random):
            step += 1
            if step > done:
                yield batch


def _learn(
    state: State[Unrolled], recipe: DynamicRecipe, batch: tuple[torch.Tensor, ...], at: int
) -> torch.Tensor:
    """One step: the mean of log10 of the mean square error, so that every SNR counts alike."""
    start, adjoint, matrix, sd, target, support = batch
    images = state.model.course(start, adjoint, matrix, sd, recipe.batch)
    losses = torch.stack(
        [torch.log10(error(image, target, support, recipe.batch) + 1e-8).mean() for image in images]
    )
    loss = losses[-1] + recipe.early * losses[:-1].mean()
    return state.descend(loss, rate(at, recipe.steps, recipe.warmup, recipe.decay), 1.0, told=losses[-1])
