"""Both ventricles at a moment of the cycle: volumes as set, muscle neither made nor lost."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

from models.simulation.heart.cycle import Cycle
from models.simulation.heart.right import Crescent
from models.simulation.heart.shell import Lobe, Shell

DENSITY = 1050.0
"""Of muscle [kg / m^3]."""


@dataclass(frozen=True, kw_only=True)
class Ventricles:
    """What a heart is like; volumes [m^3], lengths [m]."""

    edv: float = 150e-6
    """Left end-diastolic volume, papillary muscles within."""

    ef: float = 0.6
    muscle: float = 110e-6
    """Volume of the left ventricle's muscle; constant over the cycle."""

    depth: float = 0.070
    """From the widest place of the outer surface to its apex, at end-diastole."""

    base: float = 0.024
    tilt: tuple[float, float] = (0.004, 0.6)
    apex: float = 0.005
    """Thickness of muscle at the apex, at end-diastole."""

    shortening: float = 0.14
    """Of the long axis in systole, as a part."""

    torsion: tuple[float, float] = (-0.07, 0.17)
    """Rotation of base and apex in systole [rad]."""

    lobes: tuple[Lobe, ...] = ()
    scar: tuple[float, float, float] = (0.0, math.pi, 0.5)
    """Where the wall is thin and does not move: (how much, angle, half width)."""

    right_edv: float = 160e-6
    right_ef: float = 0.55
    right_muscle: float = 40e-6
    right_depth: float = 0.060
    right_base: float = 0.018
    right_shift: float = 0.030
    right_lobes: tuple[Lobe, ...] = ()
    cycle: Cycle = field(default_factory=Cycle)

    @property
    def esv(self) -> float:
        """Left end-systolic volume."""
        return self.edv * (1 - self.ef)

    @property
    def mass(self) -> float:
        """Of the left ventricle's muscle [kg]."""
        return self.muscle * DENSITY

    def volumes(self, phase: float) -> tuple[float, float]:
        """Left and right volume at a phase of the cycle."""
        full = self.cycle.fullness(phase)
        left = self.edv * (1 - self.ef * (1 - full))
        return left, self.right_edv * (1 - self.right_ef * (1 - full))

    def at(self, phase: float) -> "Moment":
        """The heart at a phase of the cycle."""
        return _moment(self, phase % 1.0)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The surfaces at a moment; they share the coordinates of ``shell``."""

    inner: Shell
    outer: Shell
    right: Crescent
    right_wall: float
    """Thickness of the right ventricle's free wall."""

    center: float
    """The widest place along the axis, from where it is at end-diastole: the apex stays where it is."""

    contraction: float
    """0 at end-diastole, 1 at end-systole."""

    torsion: tuple[float, float]
    """Rotation of base and apex by now [rad]."""


@lru_cache(maxsize=256)
def _moment(heart: Ventricles, phase: float) -> Moment:
    full = heart.cycle.fullness(phase)
    left, right = heart.volumes(phase)
    shrunk = 1 - heart.shortening * (1 - full)
    depth, base = heart.depth * shrunk, heart.base * shrunk
    thick = heart.apex * (1 + 0.4 * (1 - full))
    outer = Shell(radius=1.0, depth=depth, base=base, tilt=heart.tilt, lobes=heart.lobes)
    inner = replace(outer, depth=depth - thick, lobes=(*heart.lobes, *_bulge(heart, 1 - full)))
    inner, outer = inner.sized(left), outer.sized(left + heart.muscle)
    crescent = Crescent(
        radius=1.0,
        shift=heart.right_shift * (0.85 + 0.15 * full),
        depth=heart.right_depth * shrunk,
        base=heart.right_base * shrunk,
        lobes=heart.right_lobes,
    ).filled(right, outer)
    return Moment(
        inner=inner,
        outer=outer,
        right=crescent,
        right_wall=crescent.thickness(heart.right_muscle, outer),
        center=depth - heart.depth,
        contraction=1 - full,
        torsion=(heart.torsion[0] * (1 - full), heart.torsion[1] * (1 - full)),
    )


def _bulge(heart: Ventricles, contraction: float) -> tuple[Lobe, ...]:
    """What keeps the inner surface out over the scar: the first harmonics of a window, growing in systole."""
    strength, angle, half = heart.scar
    if not strength:
        return ()
    size = strength * (0.35 + 0.65 * contraction)
    return tuple((order, size * 2 * math.sin(order * half) / (order * math.pi), angle) for order in (1, 2, 3))
