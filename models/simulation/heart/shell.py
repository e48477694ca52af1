"""Surfaces around the long axis of the left ventricle, with volumes in closed form.

Coordinates: z along the axis from apex to base, 0 at the widest place; theta 0 towards the septum,
pi / 2 towards the anterior wall. Lengths [m], angles [rad].
"""

import math
from dataclasses import dataclass, replace

import torch

POINTS = 256
"""Angles of a quadrature; for the few harmonics of these surfaces it is exact to rounding."""

Lobe = tuple[int, float, float]
"""(order, amplitude, angle)."""


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A half ellipsoid that goes on above its widest place up to a base.

    r(theta, z)^2 = radius^2 (1 - z^2 / depth^2) lobes(theta), for -depth <= z <= rim(theta).
    """

    radius: float
    depth: float
    base: float
    """Mean height of the base above the widest place."""

    tilt: tuple[float, float] = (0.0, 0.0)
    """The base is lower by so much in this direction: (length, angle)."""

    lobes: tuple[Lobe, ...] = ()
    """What makes the section non-circular, without changing its area."""

    def rim(self, theta: torch.Tensor) -> torch.Tensor:
        """Height of the base."""
        return self.base - self.tilt[0] * torch.cos(theta - self.tilt[1])

    def outline(self, theta: torch.Tensor) -> torch.Tensor:
        """Squared radius relative to the circle's; its mean over all angles is 1."""
        total = torch.ones_like(theta)
        for order, amplitude, angle in self.lobes:
            total = total + amplitude * torch.cos(order * (theta - angle))
        return total

    def squared(self, theta: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Squared distance of the surface from the axis; 0 below the apex, and as if there were no base."""
        return self.radius**2 * (1 - (z / self.depth) ** 2).clamp_min(0) * self.outline(theta)

    @property
    def volume(self) -> float:
        """Volume within [m^3]."""
        return self.radius**2 * self._shape()

    def sized(self, volume: float) -> "Shell":
        """The shell of this volume [m^3] with the same length."""
        return replace(self, radius=math.sqrt(volume / self._shape()))

    def _shape(self) -> float:
        """Volume over squared radius: the integral over z is a polynomial, over theta it is a sum."""
        theta = torch.arange(POINTS, dtype=torch.float64) * (2 * math.pi / POINTS)
        rim = self.rim(theta)
        column = rim - rim**3 / (3 * self.depth**2) + 2 * self.depth / 3
        return math.pi * float((self.outline(theta) * column).mean())
