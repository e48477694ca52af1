"""The training loop: it resumes where it was, and judges by families that it never trains on."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.nets.unrolled import Unrolled
from models.train import corpus
from models.train.corpus import Stored
from models.train.recipe import Recipe, named
from models.train.samples import draw

Tell = Callable[[int, float], None]
"""Hears of each step and its loss."""

EVERY = 250
"""Steps between checkpoints, each with its judgement."""

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
    samples: Path | None = None,
) -> Unrolled:
    """Train by a recipe in a folder that keeps corpus, checkpoint and curve; the model is the smoothed one.

    A recipe that starts from another one's model has that trained first, in the folder ``start``, on the
    first ``samples`` of the same corpus. A ``team`` of processes shares each batch; all its members hold the
    same model, the first one saves it.
    """
    team, samples = team or Team(), samples or folder / "corpus"
    torch.manual_seed(recipe.seed)
    state = _State(recipe, folder, Unrolled(recipe.design), team)
    if not state.resume() and recipe.start:
        (folder / "start").mkdir(exist_ok=True)
        state.lend(train(named(recipe.start), folder / "start", tell, team, samples))
    if state.step >= recipe.steps:
        return state.smooth
    judges = judging(recipe)
    for batch in _endless(recipe, samples, state.step, team):
        if state.step >= recipe.steps:
            break
        loss = state.learn(batch)
        if tell:
            tell(state.step, loss)
        if team.rank == 0 and (state.step % EVERY == 0 or state.step == recipe.steps):
            state.save(judge(state.smooth, judges))
    return state.smooth


def judging(recipe: Recipe) -> list[Stored]:
    """The samples to judge by; other seeds than any corpus has."""
    random = np.random.default_rng([recipe.seed, 2**31])
    shape = recipe.shapes[0]
    return [corpus.pack(draw(random, shape, family, snr)) for family, snr in JUDGED for _ in range(3)]


def judge(model: Unrolled, samples: list[Stored]) -> float:
    """Mean over samples of 10 log10 of (energy of the linear image's error / that of the model's) [dB]."""
    gains = []
    with torch.no_grad():
        for sample in samples:
            parts = corpus.inputs(sample, exact=model.design.consistency == "proximal")
            *given, target, support = (part[None] for part in parts)
            errors = [_error(image, target, support) for image in (given[0], model(*given))]
            gains.append(10 * math.log10(float(errors[0] / errors[1])))
    return sum(gains) / len(gains)


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step, relative to the highest: up linearly, at the end down as a cosine."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    begin = max(recipe.warmup, round((1 - recipe.decay) * recipe.steps))
    part = (step - begin) / max(1, recipe.steps - begin)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(max(part, 0.0), 1.0)))


def _error(image: torch.Tensor, target: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Mean square over the support, [batch]."""
    squares = ((image - target).square() * support).sum((1, 2, 3))
    return squares / support.sum((1, 2, 3)).clamp(min=1)


def _endless(recipe: Recipe, shards: Path, done: int, team: Team) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches from ``done`` steps on: shard after shard in an order that the seed and the pass give."""
    batch_size = recipe.batch // team.size
    each = corpus.SHARD // batch_size
    step = done // each * each
    while True:
        turn, place = divmod(step // each, recipe.shards)
        order = np.random.default_rng([recipe.seed, 1, turn, team.rank]).permutation(recipe.shards)
        random = np.random.default_rng([recipe.seed, 2, step, team.rank])
        samples = corpus.load(shards, int(order[place]))
        exact = recipe.design.consistency == "proximal"
        for batch in corpus.batches(samples, batch_size, random, exact=exact):
            step += 1
            if step > done:
                yield batch


class _State:
    """Model, its average over steps, optimiser and step: what a checkpoint holds."""

    def __init__(self, recipe: Recipe, folder: Path, model: Unrolled, team: Team) -> None:
        self.recipe, self.folder, self.model, self.team = recipe, folder, model, team
        self.smooth = Unrolled(recipe.design)
        self.smooth.load_state_dict(model.state_dict())
        self.optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.step = 0
        self.losses: list[float] = []

    def learn(self, batch: tuple[torch.Tensor, ...]) -> float:
        """One step: the mean of log10 of the mean square error, so that every SNR counts alike."""
        *given, target, support = batch
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * rate(self.recipe, self.step)
        images = self.model.course(*given)
        losses = torch.stack([torch.log10(_error(image, target, support) + 1e-8).mean() for image in images])
        self.optimiser.zero_grad()
        (losses[-1] + self.recipe.early * losses[:-1].mean()).backward()  # type: ignore[no-untyped-call]
        self.team.mean(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._smooth()
        self.losses.append(float(losses[-1].detach()))
        return self.losses[-1]

    def _smooth(self) -> None:
        keep = min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.smooth.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def save(self, gain: float) -> None:
        """Write the checkpoint whole, then a line of the curve."""
        state = {
            "model": self.model.state_dict(),
            "smooth": self.smooth.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        part.rename(self.folder / "checkpoint.pt")
        line = {"step": self.step, "loss": float(np.mean(self.losses)), "gain_db": gain}
        with (self.folder / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
        self.losses = []

    def lend(self, start: Unrolled) -> None:
        """Begin with another model's regularisers."""
        self.model.lend(start)
        self.smooth.load_state_dict(self.model.state_dict())

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; whether there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.smooth.load_state_dict(state["smooth"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        return True
