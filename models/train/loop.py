"""The training loop: it resumes where it was, and judges by families that it never trains on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.nets.unrolled import Unrolled
from models.train import corpus
from models.train.corpus import Stored
from models.train.course import Tell, follow, unrolled
from models.train.machine import Machine
from models.train.recipe import Recipe
from models.train.samples import draw
from models.train.state import State, rate
from models.train.stock import Stock

JUDGED = tuple((family, snr) for snr in (15.0, 30.0, 50.0, 90.0) for family in ("cells", "other photograph"))
"""Held-out families and peak SNR; three samples each."""


@dataclass(frozen=True, kw_only=True)
class Team:
    """Processes that train one model: ``torch.distributed`` must be initialised where there are several."""

    rank: int = 0
    size: int = 1

    def mean(self, model: Unrolled) -> None:
        """Replace each gradient by its mean over the team."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        first = 0
        for gradient in gradients:
            gradient.copy_(flat[first : first + gradient.numel()].view_as(gradient) / self.size)
            first += gradient.numel()


def train(
    recipe: Recipe,
    folder: Path,
    tell: Tell | None = None,
    team: Team | None = None,
    machine: Machine | None = None,
) -> Unrolled:
    """Train by a recipe in a folder that keeps corpus, checkpoint and curve; the model is the smoothed one.

    A ``team`` of processes shares each batch; all its members hold the same model, the first one saves it.
    """
    team, machine = team or Team(), machine or Machine()
    torch.manual_seed(recipe.seed)
    state = unrolled(recipe.design, recipe.rate, recipe.average, folder, machine.device)
    state.resume()
    if state.step >= recipe.steps:
        return state.smooth
    judges = judging(recipe)
    follow(
        state,
        recipe.steps,
        recipe.every,
        _endless(recipe, folder / "corpus", state.step, team, machine.device),
        lambda batch, at: _learn(state, recipe, batch, at, team),
        None if team.rank else lambda model: {"gain_db": judge(model, judges)},
        tell,
        machine,
    )
    return state.smooth


def judging(recipe: Recipe) -> list[Stored]:
    """The samples to judge by; other seeds than any corpus has."""
    random = np.random.default_rng([recipe.seed, 2**31])
    shape = recipe.shapes[0]
    return [corpus.pack(draw(random, shape, family, snr)) for family, snr in JUDGED for _ in range(3)]


def judge(model: Unrolled, samples: list[Stored]) -> float:
    """Mean over samples of 10 log10 of (energy of the linear image's error / that of the model's) [dB]."""
    gains = []
    device = model.steps.device
    with torch.no_grad():
        for sample in samples:
            parts = corpus.inputs(sample, exact=model.design.consistency == "proximal")
            *given, target, support = (part[None].to(device) for part in parts)
            errors = [_error(image, target, support) for image in (given[0], model(*given))]
            gains.append(10 * math.log10(float(errors[0] / errors[1])))
    return sum(gains) / len(gains)


def _error(image: torch.Tensor, target: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Mean square over the support, [batch]."""
    squares = ((image - target).square() * support).sum((1, 2, 3))
    return squares / support.sum((1, 2, 3)).clamp(min=1)


def _endless(
    recipe: Recipe, shards: Path, done: int, team: Team, device: torch.device
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches from ``done`` steps on: shard after shard in an order that the seed and the pass give.

    A GPU keeps every shard that it has seen; a processor has one at a time.
    """
    batch_size = recipe.batch // team.size
    each = corpus.SHARD // batch_size
    step = done // each * each
    exact = recipe.design.consistency == "proximal"
    known: dict[int, Stock] = {}
    while True:
        turn, place = divmod(step // each, recipe.shards)
        order = np.random.default_rng([recipe.seed, 1, turn, team.rank]).permutation(recipe.shards)
        random = np.random.default_rng([recipe.seed, 2, step, team.rank])
        index = int(order[place])
        stock = known.get(index) or Stock.of(corpus.load(shards, index), device, exact=exact)
        if device.type != "cpu":
            known[index] = stock
        for batch in stock.batches(batch_size, random):
            step += 1
            if step > done:
                yield batch


def _learn(
    state: State[Unrolled], recipe: Recipe, batch: tuple[torch.Tensor, ...], at: int, team: Team
) -> torch.Tensor:
    """One step: the mean of log10 of the mean square error, so that every SNR counts alike."""
    linear, adjoint, matrix, sd, target, support = batch
    images = state.model.course(linear, adjoint, matrix, sd)
    losses = torch.stack([torch.log10(_error(image, target, support) + 1e-8).mean() for image in images])
    loss = losses[-1] + recipe.early * losses[:-1].mean()
    now = rate(at, recipe.steps, recipe.warmup, recipe.decay)
    return state.descend(loss, now, 1.0, told=losses[-1], share=team.mean)
