"""Recipes of segmentation networks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from models.errors import ModelError
from models.nets.segmenter import SegmenterDesign
from models.train.recipe import parsed

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe:
    """How a network is trained."""

    name: str
    task: str = "segmentation"
    seed: int = 0
    shards: int = 64
    """Of the corpus, 128 slices each."""

    fresh: int = 0
    """Steps after which one more shard joins those that are learned from, drawn while the training goes on;
    0: all are drawn before. A shard is learned from when it joins, then by chance: early ones more often."""

    begin: str = ""
    """SHA-256 of the weights, of the model at hand of this name, that a training begins with; "": random."""

    kept: float = 0.0
    """Part that the weights it began with have in the model at the end, which is the mean of both: it keeps
    what they were good at (Wortsman et al., CVPR 2022)."""

    precision: Precision = "float32"
    """Of what a step's layers take and give; weights, loss and their average have float32."""

    steps: int = 2000
    batch: int = 12
    window: int = 64
    """Side of the windows of slices that a step sees [pixel]."""

    narrow: int = 0
    """Side of the narrowest windows [pixel], where steps see windows of different sides; 0: all are alike."""

    every: int = 100
    """Steps between checkpoints, each with its judgement."""

    rate: float = 2e-3
    """Of learning, at its highest."""

    warmup: int = 50
    average: float = 0.99
    """Of the weights over steps, exponentially: those are the model."""

    level: int = 0
    """So many new slices say at the end by how much the scores of muscle are shifted; 0: they are not."""

    design: SegmenterDesign = field(default_factory=lambda: SegmenterDesign(kind="segmenter"))

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ModelError(f"precision {self.precision!r}, known are {', '.join(get_args(Precision))}")
        if self.fresh < 0:
            raise ModelError(f"fresh {self.fresh}: steps are not negative")
        if not 0 <= self.kept < 1 or (self.kept and not self.begin):
            raise ModelError(f"kept {self.kept}: a part, below 1, of the weights that a training begins with")


def read(path: Path) -> SegmentationRecipe:
    """A recipe from YAML. Raises ModelError for what no recipe has."""
    return parsed(path, SegmentationRecipe, SegmenterDesign)
