"""The training of denoisers: it resumes where it was, and judges by families that it never trains on."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from models.nets.denoiser import Denoiser
from models.train.denoise import corpus
from models.train.denoise.corpus import Pair
from models.train.denoise.noise import reconstructed
from models.train.denoise.recipe import Recipe
from models.train.state import State, rate

EVERY = 200
"""Steps between checkpoints, each with its judgement."""

JUDGED = tuple((family, snr) for family in ("cells", "other photograph") for snr in (8.0, 25.0, 80.0))
"""Held-out families and peak SNR; three samples each."""


def train(
    recipe: Recipe, folder: Path, made: Callable[[int], None], tell: Callable[[int, float], None]
) -> Denoiser:
    """Train in a folder that keeps corpus, checkpoint and curve; the model is the average over steps."""
    torch.manual_seed(recipe.seed)
    stock = corpus.make(folder / "corpus.pt", recipe.seed, recipe.objects, recipe.noises, made)
    model = Denoiser(recipe.design)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
    state = State(folder, model, Denoiser(recipe.design), optimiser, recipe.average)
    state.resume()
    judges = judging(recipe.seed)
    while state.step < recipe.steps:
        random = np.random.default_rng([recipe.seed, 8, state.step])
        batch = corpus.batch(random, stock, recipe.images, recipe.patches, recipe.side)
        tell(state.step, _learn(state, recipe, batch))
        if state.step % EVERY == 0 or state.step == recipe.steps:
            state.save(gain_db=judge(state.smooth, judges))
    return state.smooth


def judging(seed: int) -> list[Pair]:
    """The pairs to judge by; other seeds than any corpus has."""
    random = np.random.default_rng([seed, 2**31])
    found = []
    for family, snr in JUDGED:
        for _ in range(3):
            draws = reconstructed(random, corpus.SHAPE, 1)
            found.append(corpus.pair(random, corpus.thing(random, family), draws, snr))
    return found


def judge(model: Denoiser, pairs: list[Pair]) -> float:
    """Mean over pairs of 10 log10 of (energy of the noise / that of the error left) [dB]."""
    gains = []
    with torch.no_grad():
        for noisy, sd, clean in pairs:
            left = (model(noisy[None], sd[None])[0] - clean).square().mean()
            gains.append(10 * math.log10(float((noisy - clean).square().mean() / left)))
    return sum(gains) / len(gains)


def loss(image: torch.Tensor, clean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    """Mean over patches of log10 of the mean square error in SNR units, so that every SNR counts alike."""
    squares = ((image - clean) / sd.clamp(min=1e-6)).square().mean((1, 2, 3))
    return torch.log10(squares + 1e-5).mean()


def _learn(state: State[Denoiser], recipe: Recipe, batch: Pair) -> float:
    noisy, sd, clean = batch
    found = loss(state.model(noisy, sd), clean, sd)
    return float(state.descend(found, rate(state.step, recipe.steps, recipe.warmup), 1.0))
