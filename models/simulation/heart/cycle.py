"""The cardiac cycle: how full the ventricles are at each moment.

Systole's share of the cycle from A. M. Weissler et al., Circulation 37 (1968) 149 (electromechanical systole
0.546 s - 2.1 ms per beat/min for men); the shape of filling (early, diastasis, atrial) is schematic.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """The course of volume between its largest (1) and its smallest (0)."""

    interval: float = 0.9
    """From R wave to R wave [s]."""

    atrial: float = 0.25
    """The part of filling that the atrium's contraction gives."""

    @property
    def systole(self) -> float:
        """The part of the interval until the ventricle is smallest."""
        return min(max((0.546 - 0.0021 * 60 / self.interval) / self.interval, 0.25), 0.55)

    def fullness(self, phase: float) -> float:
        """0 to 1, at a phase of the cycle (0: R wave; any number)."""
        phase %= 1.0
        end = self.systole
        if phase < end:
            return (1 + math.cos(math.pi * phase / end)) / 2
        rest = (phase - end) / (1 - end)
        early = (1 - self.atrial) * _rise(rest, 0.05, 0.45)
        return early + self.atrial * _rise(rest, 0.75, 1.0)


def _rise(value: float, start: float, end: float) -> float:
    """A smooth step from 0 to 1."""
    part = min(max((value - start) / (end - start), 0.0), 1.0)
    return part * part * (3 - 2 * part)
