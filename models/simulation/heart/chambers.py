"""What lies where in the heart at a moment: muscle, chambers, valves' plane, great vessels, fat."""

import math
from dataclasses import dataclass, field, replace

import torch

from models.simulation.heart.beating import Moment, Ventricles
from models.simulation.heart.within import Strands, muscular
from models.simulation.tissue import Tissue

REACH = 0.125
"""Points farther than this from the heart's middle belong to none of it [m]."""

NONE = 255


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Sizes of what belongs to the heart but to no ventricle [m]."""

    fat: float = 0.004
    """Thickness of epicardial fat."""

    left_atrium: float = 0.025
    right_atrium: float = 0.025
    root: float = 0.0135
    """Radius of the aorta's root."""

    trunk: float = 0.0125
    """Radius of the pulmonary trunk."""

    strands: Strands = field(default_factory=Strands)


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Points in cylindrical coordinates of the left ventricle at a moment; flat tensors."""

    x: torch.Tensor
    y: torch.Tensor
    z: torch.Tensor
    """Above the widest place."""

    theta: torch.Tensor
    squared: torch.Tensor
    """Squared distance from the axis."""


def place(points: torch.Tensor, moment: Moment) -> Place:
    """Points [3, point] in heart coordinates (x towards the septum, y anterior, z base)."""
    x, y, z = points
    return Place(x=x, y=y, z=z - moment.center, theta=torch.atan2(y, x), squared=x * x + y * y)


def labels(points: torch.Tensor, heart: Ventricles, around: Surroundings, moment: Moment) -> torch.Tensor:
    """Tissue at each point [3, point] in heart coordinates, uint8; ``NONE`` outside."""
    at = place(points, moment)
    out = torch.full(at.x.shape, NONE, dtype=torch.uint8)
    rim = moment.outer.rim(at.theta)
    _fat(out, at, around, moment, rim)
    _above(out, at, around, moment, rim)
    _right(out, at, moment)
    _left(out, at, heart, around, moment, rim)
    return out


def _fat(out: torch.Tensor, at: Place, around: Surroundings, moment: Moment, rim: torch.Tensor) -> None:
    more = around.fat * (1 + 0.5 * torch.sin(3 * at.theta + 60 * at.z))
    shell = replace(moment.outer, depth=moment.outer.depth + around.fat)
    left = shell.squared(at.theta, at.z).sqrt() + more
    right = moment.right.distance(at.theta, at.z, moment.right_wall + around.fat)
    lower = at.z >= -shell.depth
    ventricles = (at.squared.sqrt() <= torch.maximum(left, right)) & (at.z <= rim + 0.006) & lower
    _paint(out, ventricles, Tissue.FAT)
    for center, radius in _atria(around, moment):
        _paint(out, _ball(at, center, radius + 0.002 + around.fat), Tissue.FAT)


def _atria(around: Surroundings, moment: Moment) -> list[tuple[tuple[float, float, float], float]]:
    """Centres and radii of left and right atrium; they fill while the ventricles contract."""
    grow = 1 + 0.1 * moment.contraction
    left, right = around.left_atrium * grow, around.right_atrium * grow
    side = moment.right.shift + 0.010
    return [
        ((-0.004, -0.010, moment.outer.base + 0.72 * left), left),
        ((side, -0.012, moment.right.base + 0.75 * right), right),
    ]


def _above(out: torch.Tensor, at: Place, around: Surroundings, moment: Moment, rim: torch.Tensor) -> None:
    """Atria, aortic root and pulmonary trunk."""
    higher = at.z > rim
    for (center, radius), blood in zip(
        _atria(around, moment), (Tissue.LEFT_ATRIUM, Tissue.RIGHT_ATRIUM), strict=True
    ):
        over = higher if blood == Tissue.LEFT_ATRIUM else at.z > moment.right.base
        _paint(out, over & _ball(at, center, radius + 0.002), Tissue.WALL)
        _paint(out, over & _ball(at, center, radius), blood)
    trunk = (0.034, 0.028, moment.right.base - 0.004), (-0.25, 0.15, 0.95)
    root = (0.011, 0.011, moment.outer.base - 0.006), (0.28, 0.22, 0.93)
    for (start, along), radius, blood in (
        (trunk, around.trunk, Tissue.PULMONARY),
        (root, around.root, Tissue.AORTA),
    ):
        height, distance = _from_line(at, start, along)
        reach = (height > 0) & (height < 0.065)
        _paint(out, reach & (distance <= radius + 0.0018), Tissue.WALL)
        _paint(out, reach & (distance <= radius), blood)


def _right(out: torch.Tensor, at: Place, moment: Moment) -> None:
    radius = at.squared.sqrt()
    below = at.z <= moment.right.base
    free = at.squared > moment.outer.squared(at.theta, at.z)
    wall = radius <= moment.right.distance(at.theta, at.z, moment.right_wall)
    _paint(out, below & free & wall, Tissue.RIGHT_WALL)
    _paint(out, below & free & (radius <= moment.right.distance(at.theta, at.z)), Tissue.RIGHT_BLOOD)


def _left(
    out: torch.Tensor,
    at: Place,
    heart: Ventricles,
    around: Surroundings,
    moment: Moment,
    rim: torch.Tensor,
) -> None:
    """Muscle with its scar, and the cavity with papillary muscles and trabeculae."""
    below = (at.z <= rim) & (at.z >= -moment.outer.depth)
    muscle = below & (at.squared <= moment.outer.squared(at.theta, at.z))
    _paint(out, muscle, Tissue.MYOCARDIUM)
    strength, angle, half = heart.scar
    if strength:
        away = torch.remainder(at.theta - angle + math.pi, 2 * math.pi) - math.pi
        _paint(out, muscle & (away.abs() <= half), Tissue.SCAR)
    cavity = below & (at.z >= -moment.inner.depth) & (at.squared <= moment.inner.squared(at.theta, at.z))
    theta, z, squared = (each[cavity] for each in (at.theta, at.z, at.squared))
    strands = muscular(theta, z, squared, around.strands, heart, moment)
    out[cavity] = torch.where(strands, int(Tissue.PAPILLARY), int(Tissue.LEFT_BLOOD)).to(torch.uint8)


def _ball(at: Place, center: tuple[float, float, float], radius: float) -> torch.Tensor:
    x, y, z = center
    return (at.x - x) ** 2 + ((at.y - y) / 1.15) ** 2 + (at.z - z) ** 2 <= radius**2


def _from_line(
    at: Place, start: tuple[float, float, float], along: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far along a line each point lies, and how far from it."""
    norm = math.hypot(*along)
    x, y, z = (axis - origin for axis, origin in zip((at.x, at.y, at.z), start, strict=True))
    height = (x * along[0] + y * along[1] + z * along[2]) / norm
    return height, (x * x + y * y + z * z - height**2).clamp_min(0).sqrt()


def _paint(out: torch.Tensor, where: torch.Tensor, tissue: Tissue) -> None:
    out.masked_fill_(where, int(tissue))
