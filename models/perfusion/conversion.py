"""From the signal of blood or muscle to concentration: what a sequence makes of one kind of tissue."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from models.kinetics.concentration import LookUp, Readout, look_up

Form: TypeAlias = Literal["closed", "bloch"]
"""What makes the table: the closed form of perfect spoiling, or the Bloch equations of 71 isochromats."""

STEP = {"closed": 0.01, "bloch": 0.05}
"""Of the table [mM]; lines between its samples are off by less than 1e-3 mM."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A sequence, a tissue and an agent."""

    readout: Readout
    t1: float
    t2: float
    """Without agent [s]; T2 counts with the Bloch equations alone."""

    r1: float
    r2: float
    """Of the agent [1 / (mM s)]."""

    form: Form = "closed"

    def ratio(self, t1: torch.Tensor, efficiency: float) -> torch.Tensor:
        """Signal over proton-density signal at T1 [s] and at the T2 that so much agent gives; float64."""
        if self.form == "closed":
            return self.readout.ratio(t1, self.t1, efficiency)
        concentration = (1 / t1 - 1 / self.t1) / self.r1
        t2 = 1 / (1 / self.t2 + self.r2 * concentration.clamp(min=0))
        return self.readout.bloch_ratio(t1, t2, (self.t1, self.t2), efficiency)

    def efficiency(self, base: float) -> float:
        """The saturation that makes the table begin at the baseline that was measured.

        The signal is linear in it; native T1 is taken as known, since an error of 10 % of it counts as 0.5 %
        of the saturation.
        """
        t1 = torch.tensor([self.t1], dtype=torch.float64)
        none, full = (float(self.ratio(t1, each)) for each in (0.0, 1.0))
        return (base - none) / (full - none)

    def table(self, efficiency: float, most: float) -> LookUp:
        """The look-up table at a saturation, to a concentration of ``most`` [mM]."""
        return look_up(lambda t1: self.ratio(t1, efficiency), self.t1, self.r1, most, STEP[self.form])
