"""Recipes: all that a training depends on, as a small YAML file."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from models.errors import ModelError
from models.nets.unrolled import Design

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an unrolled network is trained."""

    name: str
    task: str = "unrolled"
    seed: int = 0
    shards: int = 24
    """Of the corpus, 32 samples each."""

    rich: int = 0
    """So many of them, the last ones, of fine textures, small lesions and much signal."""

    shapes: tuple[tuple[int, int], ...] = ((144, 64), (160, 56), (128, 72))
    """Of the images, (y, x), one shard after the other."""

    steps: int = 4500
    batch: int = 4
    every: int = 250
    """Steps between checkpoints, each with its judgement."""

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
    return parsed(path, Recipe, Design)


def parsed(path: Path, kind: Callable[..., Kind], design: Callable[..., object]) -> Kind:
    """A recipe of any kind from YAML, whose key ``design`` is the network's; lists become tuples.

    Raises ModelError for what no such recipe has.
    """
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    try:
        drawn = {name: _tuples(value) for name, value in (values.pop("design", None) or {}).items()}
        return kind(**{name: _tuples(value) for name, value in values.items()}, design=design(**drawn))
    except (TypeError, AttributeError) as error:
        raise ModelError(f"recipe {path.name}: {error}") from error


def text(recipe: Any) -> str:  # noqa: ANN401 - a recipe of any kind
    """The recipe as YAML."""
    return yaml.safe_dump(_lists(asdict(recipe)), sort_keys=False)


def task(path: Path) -> str:
    """What a recipe in YAML is for. Raises ModelError when it is none."""
    values = yaml.safe_load(path.read_text())
    if not isinstance(values, dict):
        raise ModelError(f"recipe {path.name} is no list of keys and values")
    return str(values.get("task", Recipe.task))


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {name: _lists(each) for name, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, tuple | list) else value
