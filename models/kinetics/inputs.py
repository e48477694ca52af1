"""Arterial inputs: a population average, and a first pass of the heart."""

import math

import torch

from models.kinetics.compartments import Tofts
from models.kinetics.response import tissue


def parker(times: torch.Tensor) -> torch.Tensor:
    """Blood concentration [mM] of the population average, from ``times`` [s] after the bolus arrives.

    Source: Parker et al., MRM 56 (2006) 993, equation 1 and table 1 (there in minutes).
    """
    minutes = times.to(torch.float64) / 60
    peaks = ((0.809, 0.0563, 0.17046), (0.330, 0.132, 0.365))
    blood = sum(
        area / (width * math.sqrt(2 * math.pi)) * torch.exp(-((minutes - at) ** 2) / (2 * width**2))
        for area, width, at in peaks
    )
    tail: torch.Tensor = 1.050 * torch.exp(-0.1685 * minutes) / (1 + torch.exp(-38.078 * (minutes - 0.483)))
    return blood + tail


def gamma_variate(times: torch.Tensor, start: float, shape: float, scale: float) -> torch.Tensor:
    """A bolus of peak 1, reached ``shape * scale`` seconds after ``start`` [s].

    ((t - t0) / (a b))^a exp(a - (t - t0) / b). Source: Thompson et al., Circ Res 14 (1964) 502.
    """
    since = (times.to(torch.float64) - start).clamp(min=0)
    return (since / (shape * scale)) ** shape * torch.exp(shape - since / scale)


def first_pass(times: torch.Tensor, start: float = 6.0, peak: float = 4.5) -> torch.Tensor:
    """Blood concentration [mM] of the left ventricle in a first pass: bolus, recirculation, slow tail."""
    bolus = gamma_variate(times, start, 3.0, 1.5)
    again = gamma_variate(times, start + 12.0, 3.0, 4.0)
    since = (times.to(torch.float64) - start - 6.0).clamp(min=0)
    return peak * (bolus + 0.155 * again + 0.09 * (1 - torch.exp(-since / 8.0)))


def dispersed(values: torch.Tensor, step: float, transit: float) -> torch.Tensor:
    """A curve [sample], every ``step`` s, behind a mixed chamber of mean ``transit`` [s]; as it is for 0.

    It comes by ``transit`` later in the mean. Exact for a curve that is linear between its samples.
    """
    if transit <= 0:
        return values
    chamber = torch.tensor([[1 / transit, 1.0]], dtype=torch.float64)
    return tissue(Tofts(), chamber, values, step)[0]
