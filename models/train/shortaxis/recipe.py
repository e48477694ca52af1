"""Recipes of segmentation networks."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from models.errors import ModelError
from models.nets.segmenter import SegmenterDesign


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe:
    """How a network is trained."""

    name: str
    seed: int = 0
    shards: int = 64
    """Of the corpus, 128 slices each."""

    steps: int = 2000
    batch: int = 12
    window: int = 64
    """Side of the windows of slices that a step sees [pixel]."""

    rate: float = 2e-3
    """Of learning, at its highest."""

    warmup: int = 50
    average: float = 0.99
    """Of the weights over steps, exponentially: those are the model."""

    design: SegmenterDesign = field(default_factory=lambda: SegmenterDesign(kind="segmenter"))


def read(path: Path) -> SegmentationRecipe:
    """A recipe from YAML (``task: segmentation``). Raises ModelError for what no recipe has."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    try:
        design = dict(values.pop("design", {}))
        values.pop("task", None)
        if "widths" in design:
            design["widths"] = tuple(design["widths"])
        return SegmentationRecipe(**values, design=SegmenterDesign(**design))
    except TypeError as error:
        raise ModelError(f"recipe {path.name}: {error}") from error


def text(recipe: SegmentationRecipe) -> str:
    """The recipe as YAML."""
    values = asdict(recipe)
    values["design"]["widths"] = list(recipe.design.widths)
    return "task: segmentation\n" + yaml.safe_dump(values, sort_keys=False)
