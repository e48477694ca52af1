"""Where in the muscle a point lies: depth in the wall, height, angle, segment.

Segments are those of the American Heart Association: M. D. Cerqueira et al., Circulation 105 (2002) 539.
"""

import math
from dataclasses import dataclass

import torch

from models.simulation.heart.beating import Moment
from models.simulation.heart.chambers import Place


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Coordinates that go with the muscle as it moves; tensors of one shape."""

    depth: torch.Tensor
    """0 at the inner surface, 1 at the outer one, by the area within; elsewhere is no muscle."""

    height: torch.Tensor
    """0 at the apex, 1 at the base."""

    angle: torch.Tensor
    """0 in the middle of the septum, pi / 2 anterior; rotation of the twisting heart taken out [rad]."""


def material(at: Place, moment: Moment) -> Material:
    """Material coordinates of points."""
    rim = moment.outer.rim(at.theta)
    height = (at.z + moment.outer.depth) / (rim + moment.outer.depth)
    inner, outer = (shell.squared(at.theta, at.z) for shell in (moment.inner, moment.outer))
    base, apex = moment.torsion
    turned = apex + (base - apex) * height.clamp(0, 1)
    angle = torch.remainder(at.theta - turned + math.pi, 2 * math.pi) - math.pi
    depth = (at.squared - inner) / (outer - inner).clamp_min(1e-9)
    return Material(depth=depth, height=height, angle=angle)


def segments(where: Material) -> torch.Tensor:
    """The segment of each point, 1 to 17, uint8; 0 outside the muscle.

    Basal 1 to 6 and mid 7 to 12 from anterior over the septum, apical 13 to 16, apex 17.
    """
    turn = torch.rad2deg(math.pi / 2 - where.angle) % 360
    six = ((turn + 30) / 60).floor().remainder(6)
    four = ((turn + 45) / 90).floor().remainder(4)
    third = (where.height * 1.05 - 0.05) * 3
    names = torch.where(third >= 2, 1 + six, torch.where(third >= 1, 7 + six, 13 + four))
    names = torch.where(where.height < 0.08, torch.full_like(names, 17), names)
    inside = (where.depth >= 0) & (where.depth <= 1) & (where.height >= 0) & (where.height <= 1)
    return (names * inside).to(torch.uint8)
