"""Volumes, ejection fraction and mass of a labelled stack.

Papillary muscles and trabeculae count as blood pool; the density of muscle is 1.05 g/ml.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, Labels

DENSITY = 1.05
"""Of muscle [g/ml]."""


@dataclass(frozen=True, kw_only=True)
class Ventricle:
    """Of one ventricle. Volumes [ml], output [l/min]."""

    edv: float
    esv: float
    ed: int
    """Phase of the largest volume."""

    es: int
    """Phase of the smallest volume."""

    output: float | None = None

    @property
    def sv(self) -> float:
        """Stroke volume [ml]."""
        return self.edv - self.esv

    @property
    def ef(self) -> float:
        """Ejection fraction, 0 to 1; nan where there is no volume."""
        return self.sv / self.edv if self.edv else math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """What a cine stack says of the heart."""

    left: Ventricle
    right: Ventricle
    mass: float
    """Of the left ventricle's muscle at end-diastole [g]."""

    mass_systole: float
    """The same at end-systole, where it should be as large."""

    curves: NDArray[np.float64]
    """Volumes [ml] of left cavity, left muscle and right cavity, [3, phase]."""

    rate: float | None
    """Heartbeats per minute."""

    surface: float | None
    """Of the body [m^2]."""


def curves(labels: Labels, voxel: float) -> NDArray[np.float64]:
    """Volumes [ml] of the three labels at each phase, [3, phase]; ``labels`` [phase, slice, y, x].

    ``voxel`` [ml]: pixel times the distance from slice to slice.
    """
    return np.array([(labels == each).sum((1, 2, 3)) * voxel for each in (CAVITY, MUSCLE, RIGHT)], float)


def function(
    labels: Labels,
    voxel: float,
    *,
    rate: float | None = None,
    height: float | None = None,
    weight: float | None = None,
) -> Function:
    """Function from labels [phase, slice, y, x]; ``rate`` [1/min], ``height`` [m], ``weight`` [kg].

    End-diastole is the phase of the largest left volume, end-systole that of the smallest; the right
    ventricle's are its own.
    """
    course = curves(labels, voxel)
    left, right = (_ventricle(course[index], rate) for index in (0, 2))
    return Function(
        left=left,
        right=right,
        mass=float(course[1, left.ed] * DENSITY),
        mass_systole=float(course[1, left.es] * DENSITY),
        curves=course,
        rate=rate,
        surface=surface(height, weight),
    )


def _ventricle(course: NDArray[np.float64], rate: float | None) -> Ventricle:
    ed, es = int(course.argmax()), int(course.argmin())
    edv, esv = float(course[ed]), float(course[es])
    output = (edv - esv) * rate / 1000 if rate else None
    return Ventricle(edv=edv, esv=esv, ed=ed, es=es, output=output)


def surface(height: float | None, weight: float | None) -> float | None:
    """Body surface [m^2] of a height [m] and weight [kg].

    R. D. Mosteller, N. Engl. J. Med. 317 (1987) 1098: sqrt(height [cm] weight [kg] / 3600).
    """
    if not height or not weight:
        return None
    return math.sqrt(100 * height * weight / 3600)
