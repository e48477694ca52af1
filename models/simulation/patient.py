"""A person to be scanned: heart, its place in the chest, and the chest around it, drawn from a seed."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, get_args

import torch

from models.errors import SimulationError
from models.simulation.heart.beating import Ventricles
from models.simulation.heart.chambers import NONE, REACH, Surroundings, labels, place
from models.simulation.heart.cycle import Cycle
from models.simulation.heart.sector import Material, material
from models.simulation.heart.within import Strands
from models.simulation.plane import Plane, Vector
from models.simulation.torso import Torso

Family = Literal["normal", "dilated", "hypertrophic", "infarct", "right-dilated", "small"]
FAMILIES: tuple[Family, ...] = get_args(Family)

AXIS: Vector = (-0.62, 0.55, 0.56)
"""From apex to base, of an average heart."""

SEPTUM: Vector = (-0.62, -0.72, 0.05)
"""From the left to the right ventricle."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the heart lies; positions [m] and directions in patient coordinates (L, P, S)."""

    center: Vector = (0.0, 0.0, 0.0)
    """The widest place of the left ventricle's axis at end-diastole and end-expiration."""

    septum: Vector
    anterior: Vector
    axis: Vector
    """The heart's x, y and z."""

    def inside(self, points: torch.Tensor) -> torch.Tensor:
        """Patient positions [3, ...] in heart coordinates."""
        turn = torch.tensor([self.septum, self.anterior, self.axis])
        away = points - torch.tensor(self.center).reshape(3, *[1] * (points.dim() - 1))
        turned: torch.Tensor = torch.tensordot(turn, away, 1)
        return turned

    def outside(self, x: float, y: float, z: float) -> Vector:
        """Heart coordinates as a position in the patient."""
        left, back, up = (
            self.center[i] + x * self.septum[i] + y * self.anterior[i] + z * self.axis[i] for i in range(3)
        )
        return left, back, up


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Everything that is scanned."""

    heart: Ventricles = field(default_factory=Ventricles)
    around: Surroundings = field(default_factory=Surroundings)
    pose: Pose
    torso: Torso = field(default_factory=Torso)
    body: Vector = (-0.030, 0.025, 0.0)
    """The middle of the chest, from the heart."""

    family: Family = "normal"
    breathing: tuple[float, float] = (0.55, -0.12)
    """The heart's way along superior and posterior, per way of the diaphragm (downwards is inferior)."""

    def labels(
        self, plane: Plane, phase: float, breath: float = 0.0, fine: int = 2, layers: int = 5
    ) -> torch.Tensor:
        """Tissue in the parts of the slice, uint8 [layer, y, x] with ``fine`` x ``fine`` parts per pixel.

        ``phase`` of the cardiac cycle, ``breath`` [m]: how far the diaphragm is down from end-expiration.
        """
        chest, close, near = _still(self, plane, breath, fine, layers)
        found = labels(near, self.heart, self.around, self.heart.at(phase))
        out = chest.clone()
        out[close] = torch.where(found == NONE, chest[close], found)
        return out

    def material(self, plane: Plane, phase: float, breath: float = 0.0, fine: int = 1) -> Material:
        """Where in the left ventricle's wall the middle of each part of the slice lies, [y, x]."""
        points = plane.points(fine, 1)[:, 0]
        moved = points - torch.tensor(self.moved(breath))[:, None, None]
        moment = self.heart.at(phase)
        return material(place(self.pose.inside(moved), moment), moment)

    def moved(self, breath: float) -> Vector:
        """Where the heart is when the diaphragm is so far down, from end-expiration [m]."""
        return 0.0, breath * self.breathing[1], -breath * self.breathing[0]

    def short_axis(
        self, height: float, fov: tuple[float, float], matrix: tuple[int, int], thickness: float
    ) -> Plane:
        """The short-axis plane at a height above the widest place: right ventricle left, anterior wall up."""
        column, row = (tuple(-value for value in each) for each in (self.pose.septum, self.pose.anterior))
        return Plane(
            center=self.pose.outside(0.012, 0.0, height),
            column=(column[0], column[1], column[2]),
            row=(row[0], row[1], row[2]),
            fov=fov,
            matrix=matrix,
            thickness=thickness,
        )


@lru_cache(maxsize=2)
def _still(
    patient: Patient, plane: Plane, breath: float, fine: int, layers: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the beat does not change: the chest, where the heart may be, and those points in its coordinates.

    Most of the work of a slice, and a gated scan asks for each slice at every moment of the beat.
    """
    points = plane.points(fine, layers)
    chest = patient.torso.labels(points - torch.tensor(patient.body)[:, None, None, None], breath)
    near = patient.pose.inside(points - torch.tensor(patient.moved(breath))[:, None, None, None])
    close = near.square().sum(0) <= REACH**2
    return chest, close, near[:, close]


def pose(axis: Vector = AXIS, septum: Vector = SEPTUM) -> Pose:
    """The pose with this axis; ``septum`` is made orthogonal to it."""
    z = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float64), dim=0)
    x = torch.tensor(septum, dtype=torch.float64)
    x = torch.nn.functional.normalize(x - (x @ z) * z, dim=0)
    y = torch.linalg.cross(z, x)
    vectors = [tuple(each.tolist()) for each in (x, y, z)]
    return Pose(septum=vectors[0], anterior=vectors[1], axis=vectors[2])


def average() -> Patient:
    """A person with mean values."""
    return Patient(pose=pose())


def draw(seed: int, family: Family | None = None) -> Patient:
    """A random person; equal seeds give equal ones. Without a family one is drawn, too.

    Raises SimulationError for a family that does not exist.
    """
    if family is not None and family not in FAMILIES:
        raise SimulationError(f"family {family}, expected one of {', '.join(FAMILIES)}")
    dice = _Dice(seed)
    family = family or FAMILIES[int(dice.between(0, len(FAMILIES) - 1e-6))]
    heart = _heart(dice, family)
    turned = tuple(dice.around(value, 0.1) for value in AXIS), tuple(dice.around(v, 0.1) for v in SEPTUM)
    return Patient(
        heart=heart,
        around=_around(dice),
        pose=pose((turned[0][0], turned[0][1], turned[0][2]), (turned[1][0], turned[1][1], turned[1][2])),
        torso=_torso(dice),
        body=(dice.around(-0.030, 0.006), dice.around(0.025, 0.006), 0.0),
        family=family,
        breathing=(dice.between(0.4, 0.7), dice.between(-0.2, 0.0)),
    )


class _Dice:
    """Random numbers of one person."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed * 16 + 5)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._generator))

    def around(self, mean: float, sd: float) -> float:
        """Normal, cut at two standard deviations."""
        return mean + sd * min(max(float(torch.randn((), generator=self._generator)), -2.0), 2.0)


RANGES: dict[Family, dict[str, tuple[float, float]]] = {
    "normal": {"edv": (100, 190), "ef": (0.52, 0.70), "muscle": (75, 140)},
    "dilated": {"edv": (190, 320), "ef": (0.15, 0.42), "muscle": (110, 200)},
    "hypertrophic": {"edv": (85, 160), "ef": (0.60, 0.78), "muscle": (150, 260)},
    "infarct": {"edv": (130, 240), "ef": (0.25, 0.50), "muscle": (90, 170)},
    "right-dilated": {"edv": (80, 150), "ef": (0.45, 0.65), "muscle": (70, 130)},
    "small": {"edv": (60, 100), "ef": (0.55, 0.72), "muscle": (50, 85)},
}
"""Of left end-diastolic volume [ml], ejection fraction, volume of muscle [ml]: wide, from no source."""


def _heart(dice: _Dice, family: Family) -> Ventricles:
    ranges = RANGES[family]
    edv, muscle = (1e-6 * dice.between(*ranges[name]) for name in ("edv", "muscle"))
    ef = dice.between(*ranges["ef"])
    size = ((edv + muscle) / 260e-6) ** (1 / 3) * dice.around(1.0, 0.04)
    more = dice.between(1.5, 2.2) if family == "right-dilated" else dice.between(0.9, 1.15)
    stroke = edv * ef * dice.between(0.95, 1.05)
    right = max(edv * more if family != "dilated" else edv * 0.8, stroke / 0.68)
    scar = (dice.between(0.25, 0.5), dice.between(-math.pi, math.pi), dice.between(0.3, 0.8))
    lobes = tuple((order, dice.around(0.0, 0.04 / order), dice.between(0, 2 * math.pi)) for order in (2, 3))
    base = Ventricles(
        edv=edv,
        ef=ef,
        muscle=muscle,
        depth=0.070 * size,
        base=0.024 * size * dice.around(1.0, 0.08),
        tilt=(dice.between(0.001, 0.007), dice.around(0.6, 0.3)),
        apex=0.005 * size,
        shortening=min(0.24 * ef, 0.19) * dice.around(1.0, 0.1),
        torsion=(dice.around(-0.07, 0.02), dice.around(0.3, 0.06) * ef),
        lobes=lobes,
        scar=scar if family == "infarct" else (0.0, 0.0, 0.5),
        right_edv=right,
        right_ef=stroke / right,
        right_muscle=1e-6 * dice.between(28, 55),
        right_depth=0.060 * size,
        right_base=0.018 * size,
        right_shift=0.030 * size * dice.around(1.0, 0.06),
        right_lobes=((3, dice.between(0.0, 0.07), dice.around(0.0, 0.3)),),
        cycle=Cycle(interval=dice.between(0.65, 1.15), atrial=dice.between(0.1, 0.35)),
    )
    return replace(base, muscle=max(muscle, 0.35 * edv))


def _around(dice: _Dice) -> Surroundings:
    return Surroundings(
        fat=dice.between(0.002, 0.007),
        left_atrium=dice.between(0.021, 0.031),
        right_atrium=dice.between(0.021, 0.029),
        root=dice.between(0.0115, 0.016),
        trunk=dice.between(0.0105, 0.0145),
        strands=Strands(
            papillary=dice.between(0.06, 0.12),
            angles=(dice.around(2.35, 0.15), dice.around(-2.2, 0.15)),
            trabeculae=dice.between(0.10, 0.22),
        ),
    )


def _torso(dice: _Dice) -> Torso:
    width = dice.between(0.150, 0.200)
    return Torso(
        half=(width, width * dice.between(0.6, 0.75)),
        squareness=dice.between(2.2, 3.0),
        fat=dice.between(0.006, 0.030),
        wall=dice.between(0.012, 0.020),
        rib=dice.between(0.027, 0.036),
        mediastinum=(dice.between(0.035, 0.060), dice.between(0.07, 0.09)),
        diaphragm=dice.between(-0.062, -0.036),
        dome=dice.between(0.02, 0.04),
        stomach=(dice.between(0.055, 0.085), dice.between(-0.02, 0.03), dice.between(-0.1, -0.06)),
        aorta=dice.between(0.0095, 0.014),
        spine=dice.between(0.016, 0.021),
    )
