"""Recipes of denoisers."""

from dataclasses import dataclass, field
from pathlib import Path

from models.nets.denoiser import Denoising
from models.train.recipe import parsed


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
    return parsed(path, Recipe, Denoising)
