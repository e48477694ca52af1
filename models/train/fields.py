"""Random smooth fields and shapes: what the families of training images are made of."""

import math
from dataclasses import dataclass

import numpy as np
import torch

Random = np.random.Generator


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The pixels of a window of an object: its field of view is -1 to 1 along both axes."""

    y: torch.Tensor
    """float32 [y, 1]."""

    x: torch.Tensor
    """float32 [1, x]."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels, (y, x)."""
        return self.y.shape[0], self.x.shape[1]

    @property
    def pixel(self) -> float:
        """Side of a pixel."""
        return float(self.y[1, 0] - self.y[0, 0])


def window(random: Random, rows: int, width: int) -> Grid:
    """A window of all ``rows`` and of ``width`` columns, somewhere in a square field of view."""
    pixel = 2 / rows
    first = random.uniform(-1, max(-1, 1 - width * pixel))
    y = (torch.arange(rows) + 0.5) * pixel - 1
    x = (torch.arange(width) + 0.5) * pixel + first
    return Grid(y=y[:, None].float(), x=x[None, :].float())


def smooth(random: Random, shape: tuple[int, int], cell: float) -> torch.Tensor:
    """A random field of sd about 1 whose details have the size ``cell`` [pixel], float32 [y, x]."""
    coarse = [max(2, math.ceil(side / cell)) + 3 for side in shape]
    values = torch.from_numpy(random.standard_normal((1, 1, *coarse), dtype=np.float32))
    sizes = [max(side, round((count - 1) * cell)) for side, count in zip(shape, coarse, strict=True)]
    full = torch.nn.functional.interpolate(values, size=sizes, mode="bicubic", align_corners=True)
    top, left = (int(random.integers(0, size - side + 1)) for size, side in zip(sizes, shape, strict=True))
    return full[0, 0, top : top + shape[0], left : left + shape[1]]


def fractal(
    random: Random, shape: tuple[int, int], finest: float, coarsest: float, power: float
) -> torch.Tensor:
    """Octaves of smooth fields: details of ``finest`` to ``coarsest`` pixels, amplitudes ~ cell^power."""
    cells = [finest * 2**n for n in range(1 + max(0, int(math.log2(coarsest / finest))))]
    weights = np.array([cell**power for cell in cells])
    weights /= math.sqrt(float((weights**2).sum())) * 0.75
    total = torch.zeros(shape)
    for cell, weight in zip(cells, weights, strict=True):
        total += float(weight) * smooth(random, shape, cell)
    return total


def contour(
    random: Random, grid: Grid, centre: tuple[float, float], radii: tuple[float, float], roughness: float
) -> torch.Tensor:
    """Distance from ``centre`` over the distance of a random closed contour in that direction, [y, x].

    Below 1 inside. The contour is an ellipse with ``radii``, turned by any angle, whose radius varies by
    ``roughness`` (relative, sd) in a few Fourier harmonics of the angle.
    """
    angle = random.uniform(0, math.pi)
    dy, dx = grid.y - centre[0], grid.x - centre[1]
    u = (math.cos(angle) * dx + math.sin(angle) * dy) / radii[1]
    v = (math.cos(angle) * dy - math.sin(angle) * dx) / radii[0]
    direction = torch.atan2(v, u)
    edge = torch.ones(grid.shape)
    for order in range(2, 7):
        size = roughness * random.standard_normal() / order**0.5
        edge += size * torch.cos(order * direction + random.uniform(0, 2 * math.pi))
    return torch.hypot(u, v) / edge.clamp(min=0.3)


def soft(distance: torch.Tensor, width: float) -> torch.Tensor:
    """1 where ``distance`` is below 0, 0 above, with an edge of ``width``."""
    return (0.5 - distance / width).clamp(0, 1)
