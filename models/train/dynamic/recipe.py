"""Recipes of dynamic networks."""

from dataclasses import dataclass, field
from pathlib import Path

from models.nets.unrolled import Design
from models.train.recipe import parsed


@dataclass(frozen=True, kw_only=True)
class DynamicRecipe:
    """How a network of frames is trained."""

    name: str
    task: str = "dynamic"
    seed: int = 0
    shards: int = 48
    """Of the corpus, 8 series each."""

    shapes: tuple[tuple[int, int, int], ...] = ((25, 128, 48), (20, 144, 48), (16, 112, 64))
    """Of the series, (t, y, x), one shard after the other."""

    steps: int = 4000
    batch: int = 2
    """Series in a step."""

    every: int = 250
    """Steps between checkpoints, each with its judgement."""

    rate: float = 1e-3
    """Of learning, at its highest."""

    warmup: int = 100
    decay: float = 0.6
    """The last part of the steps, over which the rate falls."""

    average: float = 0.995
    """Of the weights over steps, exponentially: those are the model."""

    early: float = 0.1
    """How much the images before the last one count in the loss."""

    design: Design = field(
        default_factory=lambda: Design(iterations=4, consistency="proximal", regulariser="frames", depth=3)
    )


def read(path: Path) -> DynamicRecipe:
    """A recipe from YAML. Raises ModelError for what no recipe has."""
    return parsed(path, DynamicRecipe, Design)
