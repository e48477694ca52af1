"""The few photographs that scikit-image bundles, as training images; it is a developer's extra.

Those used are in the public domain, CC0 or without known copyright restrictions, as ``skimage.data`` says.
"""

import importlib.util
import math
from functools import cache
from pathlib import Path

import numpy as np
import torch

from models.errors import ModelError
from models.train.fields import Grid, Random

NAMES = (
    "astronaut.png",
    "brick.png",
    "cell.png",
    "chelsea.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "rocket.jpg",
)
"""Those that train."""

HELD_OUT = ("camera.png", "coffee.png")
"""Those that judge."""


def photograph(random: Random, grid: Grid) -> torch.Tensor:
    """A part of a training photograph, turned and scaled, its colours mixed at random, float32 [y, x]."""
    return _part(random, grid, NAMES)


def other_photograph(random: Random, grid: Grid) -> torch.Tensor:
    """The same of one that no training sees."""
    return _part(random, grid, HELD_OUT)


def _part(random: Random, grid: Grid, names: tuple[str, ...]) -> torch.Tensor:
    picture = _load(names[int(random.integers(len(names)))])
    mixture = torch.from_numpy(random.dirichlet(np.ones(len(picture)))).float()
    gray = torch.einsum("c,cyx->yx", mixture, picture)
    angle, flip = random.uniform(0, 2 * math.pi), random.choice((-1.0, 1.0))
    scale = random.uniform(0.35, 0.95)
    middle = random.uniform(-(1 - scale), 1 - scale, 2)
    y, x = grid.y.expand(grid.shape), flip * grid.x.expand(grid.shape)
    turned_y = scale * (math.cos(angle) * y - math.sin(angle) * x) + middle[0]
    turned_x = scale * (math.cos(angle) * x + math.sin(angle) * y) + middle[1]
    place = torch.stack([turned_x, turned_y], -1)[None]
    found = torch.nn.functional.grid_sample(
        gray[None, None], place, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0, 0]
    return torch.as_tensor(found.clamp(0, 1) ** random.uniform(0.6, 1.6))


@cache
def _load(name: str) -> torch.Tensor:
    """float32 [colour, y, x] from 0 to 1."""
    from PIL import Image

    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModelError("photographs of the training corpus are scikit-image's: pip install scikit-image")
    with Image.open(Path(spec.origin).parent / "data" / name) as opened:
        values = np.asarray(opened.convert("RGB"), np.float32) / 255
    return torch.from_numpy(values).permute(2, 0, 1).contiguous()
