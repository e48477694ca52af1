"""A step of a segmentation network's training in half precision beside one in single, in turn."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.figures import Figure, alternate, of, ratios
from models.nets.segmenter import SegmenterDesign
from models.train.shortaxis import loop
from models.train.shortaxis.recipe import SegmentationRecipe

SIDE = 80
"""Of the windows [pixel], the mean of those of ``short-axis-cine``."""

STEPS = 10
DESIGN = SegmenterDesign(kind="segmenter", widths=(16, 32, 96, 192), pixel=1.6, frames=3)
RECIPE = SegmentationRecipe(name="step", batch=32, window=SIDE, design=DESIGN)


def _steps(recipe: SegmentationRecipe, folder: Path) -> Callable[[], float]:
    """Seconds that ``STEPS`` steps take."""
    state = loop.begin(recipe, folder, torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    images = torch.rand(recipe.batch, DESIGN.frames, SIDE, SIDE, generator=random)
    labels = torch.randint(0, 4, (recipe.batch, SIDE, SIDE), generator=random)

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(STEPS):
            loop.learn(state, recipe, images, labels, state.step)
        return time.perf_counter() - begin

    return run


def run() -> Iterator[Figure]:
    """The ratio, and both times; a processor without bfloat16 products has no gain."""
    with TemporaryDirectory() as folder:
        sides = [_steps(replace(RECIPE, precision=each), Path(folder)) for each in ("bfloat16", "float32")]
        half, single = alternate(sides)
    yield of("step in bfloat16 over float32", ratios(half, single))
    yield of("step in bfloat16", [each / STEPS for each in half], unit="s")
    yield of("step in float32", [each / STEPS for each in single], unit="s")
