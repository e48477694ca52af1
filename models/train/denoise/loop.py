"""The training of denoisers: it resumes where it was, and judges by families that it never trains on."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from models.errors import ModelError
from models.nets.denoiser import Denoiser, Denoising
from models.train.denoise import corpus
from models.train.denoise.corpus import Pair
from models.train.denoise.noise import reconstructed

EVERY = 200
"""Steps between checkpoints, each with its judgement."""

JUDGED = tuple((family, snr) for family in ("cells", "other photograph") for snr in (8.0, 25.0, 80.0))
"""Held-out families and peak SNR; three samples each."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a denoiser is trained."""

    name: str
    task: str = "denoise"
    seed: int = 0
    objects: int = 800
    noises: int = 160
    """Reconstructions whose noise trains."""

    steps: int = 5000
    images: int = 4
    patches: int = 4
    """Of each image of a batch."""

    side: int = 64
    rate: float = 2e-3
    warmup: int = 100
    average: float = 0.995
    design: Denoising = field(default_factory=lambda: Denoising(kind="denoiser"))


def read(path: Path) -> Recipe:
    """A recipe from YAML. Raises ModelError for what no recipe has."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    try:
        design = dict(values.pop("design"))
        return Recipe(**values, design=Denoising(kind="denoiser", widths=tuple(design["widths"])))
    except (TypeError, KeyError) as error:
        raise ModelError(f"recipe {path.name}: {error}") from error


def text(recipe: Recipe) -> str:
    """The recipe as YAML."""
    values = asdict(recipe)
    values["design"]["widths"] = list(recipe.design.widths)
    return yaml.safe_dump(values, sort_keys=False)


def train(
    recipe: Recipe, folder: Path, made: Callable[[int], None], tell: Callable[[int, float], None]
) -> Denoiser:
    """Train in a folder that keeps corpus, checkpoint and curve; the model is the average over steps."""
    torch.manual_seed(recipe.seed)
    stock = corpus.make(folder / "corpus.pt", recipe.seed, recipe.objects, recipe.noises, made)
    state = _State(recipe, folder)
    judges = judging(recipe.seed)
    while state.step < recipe.steps:
        random = np.random.default_rng([recipe.seed, 8, state.step])
        loss = state.learn(corpus.batch(random, stock, recipe.images, recipe.patches, recipe.side))
        tell(state.step, loss)
        if state.step % EVERY == 0 or state.step == recipe.steps:
            state.save(judge(state.smooth, judges))
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


class _State:
    """Model, its average over steps, optimiser and step: what a checkpoint holds."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.model, self.smooth = Denoiser(recipe.design), Denoiser(recipe.design)
        self.smooth.load_state_dict(self.model.state_dict())
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.step = 0
        self.losses: list[float] = []
        self._resume()

    def _rate(self) -> float:
        """The learning rate: up linearly, then down as a cosine."""
        recipe = self.recipe
        if self.step < recipe.warmup:
            return recipe.rate * (self.step + 1) / recipe.warmup
        part = (self.step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
        return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))

    def learn(self, batch: Pair) -> float:
        """One step."""
        noisy, sd, clean = batch
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        found = loss(self.model(noisy, sd), clean, sd)
        self.optimiser.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        keep = min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.smooth.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
        self.losses.append(float(found.detach()))
        return self.losses[-1]

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

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.smooth.load_state_dict(state["smooth"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
