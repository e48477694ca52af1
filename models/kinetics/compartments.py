"""Well-mixed compartments: Tofts, extended Tofts, Patlak, two-compartment uptake and exchange.

Source of names and forms: Sourbron and Buckley, NMR Biomed 26 (2013) 1004; Tofts et al., JMRI 10 (1999)
223.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from models.kinetics.response import columns

SMALL = 1e-3
"""Below this rate times time the exponential's ramp response is taken from its series."""


def step_ramp(times: torch.Tensor) -> torch.Tensor:
    """Ramp response of an impulse response 1 (nothing leaves): t^2 / 2."""
    return times.clamp(min=0).square() / 2


def impulse_ramp(times: torch.Tensor) -> torch.Tensor:
    """Ramp response of an impulse response delta(t) (a part of the input itself): t."""
    return times.clamp(min=0)


def exponential_ramp(rate: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Ramp response of an impulse response exp(-rate t): (exp(-k t) - 1 + k t) / k^2; rate [set, 1]."""
    t = times.clamp(min=0)
    x = rate * t
    exact = (torch.expm1(-x) + x) / rate.square()
    series = t.square() / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5)))
    return torch.where(x < SMALL, series, exact)


@dataclass(frozen=True)
class Tofts:
    """One interstitial compartment: C = Ktrans exp(-Ktrans t / ve) * Cp."""

    names: ClassVar[tuple[str, ...]] = ("ktrans", "ve")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters Ktrans [1/s] and ve."""
        ktrans, ve = columns(parameters)
        return ktrans * exponential_ramp(ktrans / ve, times)


@dataclass(frozen=True)
class ExtendedTofts:
    """Tofts and the plasma itself: C = vp Cp + Ktrans exp(-Ktrans t / ve) * Cp."""

    names: ClassVar[tuple[str, ...]] = ("ktrans", "ve", "vp")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters Ktrans [1/s], ve and vp."""
        ktrans, ve, vp = columns(parameters)
        return vp * impulse_ramp(times) + ktrans * exponential_ramp(ktrans / ve, times)


@dataclass(frozen=True)
class Patlak:
    """Plasma, and a leak without return: C = vp Cp + PS int Cp."""

    names: ClassVar[tuple[str, ...]] = ("ps", "vp")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters PS [1/s] and vp."""
        ps, vp = columns(parameters)
        return vp * impulse_ramp(times) + ps * step_ramp(times)


@dataclass(frozen=True)
class TwoCompartmentUptake:
    """A plasma compartment that leaks without return: Fp ((1 - E) exp(-t / Tp) + E), E = PS / (Fp + PS)."""

    names: ClassVar[tuple[str, ...]] = ("flow", "ps", "vp")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters plasma flow [1/s], PS [1/s] and vp."""
        flow, ps, vp = columns(parameters)
        extracted = ps / (flow + ps)
        emptying = exponential_ramp((flow + ps) / vp, times)
        return flow * ((1 - extracted) * emptying + extracted * step_ramp(times))


@dataclass(frozen=True)
class TwoCompartmentExchange:
    """Plasma and interstitium that exchange: Fp ((1 - a) exp(-k+ t) + a exp(-k- t))."""

    names: ClassVar[tuple[str, ...]] = ("flow", "ps", "vp", "ve")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters plasma flow [1/s], PS [1/s], vp and ve."""
        flow, ps, vp, ve = columns(parameters)
        through, out, back = flow / vp, (flow + ps) / vp, ps / ve
        total = out + back
        root = (total.square() - 4 * through * back).clamp(min=0).sqrt()
        fast = (total + root) / 2
        slow = 2 * through * back / (total + root)
        part = (fast - through) / (fast - slow).clamp(min=1e-12)
        quick, late = exponential_ramp(fast, times), exponential_ramp(slow, times)
        return flow * ((1 - part) * quick + part * late)
