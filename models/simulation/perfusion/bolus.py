"""The contrast agent's way: right heart, lungs, left heart, and what flows on."""

from dataclasses import dataclass

import torch

from models.kinetics.compartments import Tofts
from models.kinetics.inputs import gamma_variate
from models.kinetics.response import tissue
from models.simulation.tissue import Tissue

SLOW: dict[Tissue, tuple[float, float, float]] = {
    Tissue.LIVER: (0.9, 0.25, 6.0),
    Tissue.SPLEEN: (1.5, 0.3, 3.0),
    Tissue.MUSCLE: (0.08, 0.15, 4.0),
    Tissue.STOMACH: (0.3, 0.2, 4.0),
    Tissue.WALL: (0.5, 0.2, 1.5),
    Tissue.MARROW: (0.15, 0.15, 4.0),
    Tissue.FAT: (0.02, 0.1, 4.0),
}
"""Exchange [1/min], interstitial volume, delay [s] of other tissues: plausible, from no source."""

RIGHT_WALL = (0.9, 0.3, 1.5)
LUNG_BLOOD = 0.25
"""Blood's share of the lungs' volume that gives signal."""


@dataclass(frozen=True, kw_only=True)
class Bolus:
    """A bolus in blood; times [s] from the start of the scan, concentrations [mM]."""

    arrival: float = 8.0
    """In the right ventricle."""

    transit: float = 4.5
    """From the right to the left ventricle."""

    peak: float = 4.5
    """Of the left ventricle's first pass."""

    rise: float = 4.0
    """From arrival in the left ventricle to its peak [s]."""

    shape: float = 3.0
    recirculation: float = 0.14
    remainder: float = 0.12
    """Of the peak: what comes again, and what stays mixed with all blood."""

    def left(self, time: torch.Tensor) -> torch.Tensor:
        """Blood of the left ventricle."""
        start, scale = self.arrival + self.transit, self.rise / self.shape
        first = gamma_variate(time, start, self.shape, scale)
        again = gamma_variate(time, start + 11.0, 3.0, 4.0)
        since = (time.to(torch.float64) - start - self.rise).clamp(min=0)
        mixed = 1 - torch.exp(-since / 8.0)
        return self.peak * (first + self.recirculation * again + self.remainder * mixed)

    def right(self, time: torch.Tensor) -> torch.Tensor:
        """Blood of the right ventricle: earlier, shorter and higher."""
        rise = 0.6 * self.rise
        first = gamma_variate(time, self.arrival, self.shape, rise / self.shape)
        again = gamma_variate(time, self.arrival + 15.0, 3.0, 4.5)
        since = (time.to(torch.float64) - self.arrival - 6.0).clamp(min=0)
        mixed = 1 - torch.exp(-since / 8.0)
        return self.peak * (1.6 * first + self.recirculation * again + self.remainder * mixed)

    def held(self, time: torch.Tensor) -> torch.Tensor:
        """Concentration in each tissue but the left ventricle's muscle, its papillary muscles too, float64
        [tissue, time].
        """
        step = float(time[1] - time[0])
        out = torch.zeros(len(Tissue), len(time), dtype=torch.float64)
        blood = {
            Tissue.RIGHT_ATRIUM: self.right(time + 0.4),
            Tissue.RIGHT_BLOOD: self.right(time),
            Tissue.PULMONARY: self.right(time - 0.4),
            Tissue.LEFT_ATRIUM: self.left(time + 0.4),
            Tissue.LEFT_BLOOD: self.left(time),
            Tissue.AORTA: self.left(time - 0.8),
        }
        for where, curve in blood.items():
            out[where] = curve
        out[Tissue.LUNG] = LUNG_BLOOD * (blood[Tissue.PULMONARY] + blood[Tissue.LEFT_ATRIUM]) / 2
        for where, (rate, volume, delay) in {**SLOW, Tissue.RIGHT_WALL: RIGHT_WALL}.items():
            values = torch.tensor([[rate / 60, volume]], dtype=torch.float64)
            out[where] = tissue(Tofts(), values, self.left(time - delay), step)[0]
        return out
