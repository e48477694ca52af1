"""The right ventricle: a crescent between the left one's outer surface and a free wall."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from models.errors import SimulationError
from models.simulation.heart.shell import Lobe, Shell

ANGLES = 128
HEIGHTS = 64
"""Of the quadrature of its volume; the crescent's edges leave an error of a few 1e-4."""


@dataclass(frozen=True, kw_only=True)
class Crescent:
    """The free wall's inner surface: at each height a circle whose centre lies towards theta = 0.

    The ventricle is what lies inside of it and outside of the left ventricle. Coordinates are those of the
    left ventricle.
    """

    radius: float
    shift: float
    """Distance of the circle's centre from the axis, where it is widest."""

    depth: float
    base: float
    lobes: tuple[Lobe, ...] = ()

    def distance(self, theta: torch.Tensor, z: torch.Tensor, wall: float = 0.0) -> torch.Tensor:
        """Distance from the axis to the surface, moved out by ``wall``; 0 at angles that miss it."""
        size = (1 - (z / (self.depth + wall)) ** 2).clamp_min(0).sqrt()
        shift = self.shift * size
        radius = (self.radius + wall) * size * self._outline(theta)
        across = radius**2 - (shift * torch.sin(theta)) ** 2
        ahead = shift * torch.cos(theta)
        return torch.where(across > 0, ahead + across.clamp_min(0).sqrt(), 0.0).clamp_min(0)

    def _outline(self, theta: torch.Tensor) -> torch.Tensor:
        total = torch.ones_like(theta)
        for order, amplitude, angle in self.lobes:
            total = total + amplitude * torch.cos(order * (theta - angle))
        return total

    def volume(self, outside: Shell, wall: float = 0.0) -> float:
        """Volume between the left ventricle's outer surface and this one, moved out by ``wall`` [m^3]."""
        theta, z, weight = _grid(self, wall)
        ring = self.distance(theta, z, wall) ** 2 - outside.squared(theta, z)
        return float((weight * ring.clamp_min(0)).sum()) / 2

    def filled(self, volume: float, outside: Shell) -> "Crescent":
        """The crescent of this volume [m^3] around the left ventricle given."""
        start = outside.radius, 1.5 * outside.radius
        radius = _solve(lambda size: replace(self, radius=size).volume(outside), volume, start)
        return replace(self, radius=radius)

    def thickness(self, volume: float, outside: Shell) -> float:
        """Thickness of a free wall of this volume [m^3] around the crescent."""
        inner = self.volume(outside)
        return _solve(lambda wall: self.volume(outside, wall) - inner, volume, (0.0, 0.004))


def _grid(one: Crescent, wall: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Angles [1, angle], heights [height, 1] and weights [height, 1] of a quadrature, float64."""
    theta = (torch.arange(ANGLES, dtype=torch.float64) + 0.5) * (2 * math.pi / ANGLES)
    low, high = -(one.depth + wall), one.base
    step = (high - low) / HEIGHTS
    z = low + (torch.arange(HEIGHTS, dtype=torch.float64) + 0.5) * step
    weight = torch.full((HEIGHTS, 1), step * 2 * math.pi / ANGLES, dtype=torch.float64)
    return theta[None, :], z[:, None], weight


def _solve(rising: Callable[[float], float], value: float, start: tuple[float, float]) -> float:
    """Where a smoothly rising function has a value, by the secant method.

    Raises SimulationError where it has none.
    """
    (x0, x1), (y0, y1) = start, (rising(start[0]) - value, rising(start[1]) - value)
    for _ in range(30):
        if abs(y1) <= 1e-9 * value or y1 == y0:
            break
        x0, x1, y0 = x1, max(x1 - y1 * (x1 - x0) / (y1 - y0), 0.0), y1
        y1 = rising(x1) - value
    if abs(y1) > 1e-4 * value:
        raise SimulationError(f"no right ventricle of {1e6 * value:.0f} ml lies around this left one")
    return x1
