"""Recipes: all that a training depends on, as a small YAML file."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from models.errors import ModelError
from models.nets.unrolled import Design


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained."""

    name: str
    seed: int = 0
    shards: int = 24
    """Of the corpus, 32 samples each."""

    rich: int = 0
    """So many of them, the last ones, of fine textures, small lesions and much signal."""

    start: str = ""
    """The recipe whose model lends the first weights; none by default."""

    shapes: tuple[tuple[int, int], ...] = ((144, 64), (160, 56), (128, 72))
    """Of the images, (y, x), one shard after the other."""

    steps: int = 4500
    batch: int = 4
    rate: float = 1e-3
    """Of learning, at its highest."""

    warmup: int = 150
    decay: float = 1.0
    """The last part of the steps, over which the rate falls."""

    average: float = 0.995
    """Of the weights over steps, exponentially: those are the model."""

    early: float = 0.1
    """How much the images before the last one count in the loss."""

    design: Design = field(default_factory=Design)


def read(path: Path) -> Recipe:
    """A recipe from YAML. Raises ModelError for what no recipe has."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    try:
        design = dict(values.pop("design", {}))
        if "widths" in design:
            design["widths"] = tuple(design["widths"])
        if "shapes" in values:
            values["shapes"] = tuple((int(y), int(x)) for y, x in values["shapes"])
        return Recipe(**values, design=Design(**design))
    except TypeError as error:
        raise ModelError(f"recipe {path.name}: {error}") from error


def named(name: str) -> Recipe:
    """One of the recipes that come with the project."""
    return read(Path(__file__).parent / "recipes" / f"{name}.yml")


def text(recipe: Recipe) -> str:
    """The recipe as YAML."""
    values = asdict(recipe)
    values["shapes"] = [list(shape) for shape in recipe.shapes]
    values["design"]["widths"] = list(recipe.design.widths)
    return yaml.safe_dump(values, sort_keys=False)
