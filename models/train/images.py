"""Families of training images: random anatomies, dead leaves, tissues; magnitudes from 0 to about 1."""

import math
from collections.abc import Callable

import torch

from models.train.fields import Grid, Random, contour, fractal, smooth, soft

Family = Callable[[Random, Grid], torch.Tensor]
"""A random image over a grid, float32 [y, x]."""


def head(random: Random, grid: Grid) -> torch.Tensor:
    """Shells around a folded ribbon with inner nuclei and fluid: of every contrast."""
    radii = random.uniform(0.6, 0.95), random.uniform(0.6, 0.95)
    outline = contour(random, grid, (random.normal(0, 0.05), random.normal(0, 0.3)), radii, 0.03)
    pixel = 1.5 * grid.pixel
    image = torch.zeros(grid.shape)
    level = 1.0
    for thickness in random.uniform(0.02, 0.09, int(random.integers(1, 4))):
        image = _over(image, soft(outline - level, pixel), _tissue(random, grid))
        level -= float(thickness)
    fold = fractal(random, grid.shape, random.uniform(6, 10), 30, 0.7)
    fluid, gray, white = (_tissue(random, grid) for _ in range(3))
    image = _over(image, soft(outline - level, pixel), fluid)
    depth = outline + random.uniform(0.03, 0.25) * fold
    image = _over(image, soft(depth - level + 0.04, pixel), gray)
    image = _over(image, soft(depth - level + random.uniform(0.08, 0.2), pixel), white)
    inside = soft(outline - level, pixel)
    for _ in range(int(random.integers(2, 9))):
        nucleus = inside * soft(_blob(random, grid, 0.5, (0.02, 0.2)), 0.05)
        image = _over(image, nucleus, _tissue(random, grid))
    return image


def torso(random: Random, grid: Grid) -> torch.Tensor:
    """A body with organs, vessels and dark cavities."""
    radii = random.uniform(0.55, 0.95), random.uniform(0.7, 1.3)
    outline = contour(random, grid, (0.0, random.normal(0, 0.3)), radii, 0.05)
    image = soft(outline - 1, 0.03) * _tissue(random, grid)
    image = _over(image, soft(outline - random.uniform(0.8, 0.97), 0.03), _tissue(random, grid))
    for _ in range(int(random.integers(6, 30))):
        shape = soft(_blob(random, grid, 0.9, (0.03, 0.4)), 0.06)
        dark = random.random() < 0.2
        image = _over(image, shape, 0.05 * _tissue(random, grid) if dark else _tissue(random, grid))
    for _ in range(int(random.integers(0, 40))):
        image = _over(
            image, soft(_blob(random, grid, 0.9, (0.008, 0.03)), 0.3), torch.tensor(random.random())
        )
    return image * soft(outline - 1, 0.03)


def leaves(random: Random, grid: Grid) -> torch.Tensor:
    """Dead leaves: shapes that hide each other, sizes by a power law (Lee et al., IJCV 41:35, 2001)."""
    image = _tissue(random, grid)
    count, smallest = int(random.integers(60, 300)), 2 * grid.pixel
    power = random.uniform(1.5, 3.0)
    largest = random.uniform(0.3, 0.8)
    draws = random.random(count)
    low, high = smallest ** (1 - power), largest ** (1 - power)
    for draw in draws:
        size = float((low + draw * (high - low)) ** (1 / (1 - power)))
        image = _leaf(random, grid, image, size)
    return image


def textures(random: Random, grid: Grid) -> torch.Tensor:
    """Dead leaves of all sizes down to a pixel, each with a fine texture or stripes of its own."""
    image = _tissue(random, grid)
    power, smallest = random.uniform(2.0, 3.2), 1.5 * grid.pixel
    low, high = smallest ** (1 - power), random.uniform(0.3, 0.8) ** (1 - power)
    layers = [_rough(random, grid) for _ in range(4)]
    for place in random.random(int(random.integers(150, 500))):
        size = float((low + place * (high - low)) ** (1 / (1 - power)))
        before = image.clone() if size > 20 * grid.pixel else None
        image = _leaf(random, grid, image, size)
        if before is not None:
            changed = image != before
            layer = layers[int(random.integers(4))]
            image = torch.where(changed, (image * (1 + layer)).clamp(0, 1.5), image)
    return image * (1 + _rough(random, grid)).clamp(min=0)


def tissues(random: Random, grid: Grid) -> torch.Tensor:
    """Level sets of fractal fields: layers and islands of any shape."""
    field = fractal(random, grid.shape, random.uniform(4, 10), 80, random.uniform(0.5, 1.2))
    image = _tissue(random, grid)
    for level in sorted(random.uniform(-1.5, 1.5, int(random.integers(2, 7)))):
        edge = random.uniform(0.03, 0.2)
        image = _over(image, soft(level - field, edge), _tissue(random, grid))
    return image


def cells(random: Random, grid: Grid) -> torch.Tensor:
    """Voronoi cells with walls: kept out of training, to judge by."""
    count = int(random.integers(20, 90))
    centres = torch.from_numpy(random.uniform(-1, 1, (count, 2))).float()
    first = torch.full(grid.shape, 9.0)
    second, image = first.clone(), torch.zeros(grid.shape)
    for y, x in centres.tolist():
        distance = torch.hypot(grid.y - y, grid.x - x)
        nearer = distance < first
        second = torch.where(nearer, first, torch.minimum(second, distance))
        image = torch.where(nearer, torch.tensor(random.random()), image)
        first = torch.where(nearer, distance, first)
    wall = soft(second - first - 0.02, 0.03)
    return _over(
        image * (1 + 0.1 * fractal(random, grid.shape, 3, 30, 0.5)).clamp(min=0), wall, torch.zeros(())
    )


FAMILIES: dict[str, Family] = {
    "head": head,
    "torso": torso,
    "leaves": leaves,
    "tissues": tissues,
    "textures": textures,
}
"""Those that train."""

HELD_OUT: dict[str, Family] = {"cells": cells}
"""Those that judge."""


def _over(image: torch.Tensor, alpha: torch.Tensor, paint: torch.Tensor) -> torch.Tensor:
    return image + alpha * (paint - image)


def _tissue(random: Random, grid: Grid) -> torch.Tensor:
    """A uniform signal with texture; often little of it."""
    amount = random.uniform(0, 0.3) ** 1.5
    texture = fractal(random, grid.shape, random.uniform(2, 6), 40, random.uniform(-0.2, 1.0))
    tissue: torch.Tensor = (random.random() * (1 + amount * texture)).clamp(min=0)
    return tissue


def _rough(random: Random, grid: Grid) -> torch.Tensor:
    """A texture of relative amplitude up to 0.3: fractal, or stripes that wander."""
    amount = random.uniform(0.02, 0.3)
    if random.random() < 0.6:
        return amount * fractal(random, grid.shape, random.uniform(1.5, 5), 40, random.uniform(-0.5, 0.7))
    period, turn = random.uniform(4, 16), random.uniform(0, math.pi)
    along = (math.cos(turn) * grid.y + math.sin(turn) * grid.x) / grid.pixel
    wander = period * random.uniform(0.1, 0.6) * fractal(random, grid.shape, 8, 60, 0.5)
    return amount * torch.sin(2 * math.pi / period * (along + wander))


def _blob(random: Random, grid: Grid, reach: float, sizes: tuple[float, float]) -> torch.Tensor:
    """A random closed contour's relative distance minus 1."""
    size = math.exp(random.uniform(math.log(sizes[0]), math.log(sizes[1])))
    ratio = math.exp(random.normal(0, 0.4))
    centre = random.uniform(-reach, reach), random.uniform(-reach, reach)
    return contour(random, grid, centre, (size * ratio, size / ratio), 0.1) - 1


def _leaf(random: Random, grid: Grid, image: torch.Tensor, size: float) -> torch.Tensor:
    """The image with one more leaf, painted in the leaf's bounding box only."""
    centre = random.uniform(-1, 1), random.uniform(float(grid.x[0, 0]), float(grid.x[0, -1]))
    reach = 1.8 * size + 2 * grid.pixel
    rows = ((grid.y[:, 0] - centre[0]).abs() < reach).nonzero()[:, 0]
    lanes = ((grid.x[0] - centre[1]).abs() < reach).nonzero()[:, 0]
    if len(rows) < 2 or len(lanes) < 2:
        return image
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(lanes[0]), int(lanes[-1]) + 1)
    part = Grid(y=grid.y[box[0]], x=grid.x[:, box[1]])
    shape = soft(_outline(random, part, centre, size), 1.5 * grid.pixel / size)
    paint = torch.full(part.shape, random.random())
    if random.random() < 0.5:
        slope = random.normal(0, 0.5, 2) / size
        paint = paint + slope[0] * (part.y - centre[0]) + slope[1] * (part.x - centre[1])
    if random.random() < 0.5 and min(part.shape) > 8:
        paint = paint * (1 + random.uniform(0, 0.3) * smooth(random, part.shape, random.uniform(2, 8)))
    image[box] = _over(image[box], shape, paint.clamp(0, 1.5))
    return image


def _outline(random: Random, grid: Grid, centre: tuple[float, float], size: float) -> torch.Tensor:
    """Relative distance minus 1 of an ellipse, a polygon or a rough blob."""
    kind, ratio = random.random(), math.exp(random.normal(0, 0.4))
    if kind < 0.6:
        return contour(random, grid, centre, (size * ratio, size / ratio), 0.0 if kind < 0.3 else 0.12) - 1
    turn, sides = random.uniform(0, 2 * math.pi), int(random.integers(3, 7))
    dy, dx = (grid.y - centre[0]) / (size * ratio), (grid.x - centre[1]) * ratio / size
    far = [
        dx * math.cos(turn + 2 * math.pi * n / sides) + dy * math.sin(turn + 2 * math.pi * n / sides)
        for n in range(sides)
    ]
    return torch.stack(far).amax(0) - 0.8
