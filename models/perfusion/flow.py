"""Blood flow from tissue curves: sectors first, then pixels near what their sector says.

Plasma inside: Cp = Cb / (1 - Hct). Parameters of muscle that a first pass hardly tells apart (volumes,
permeability, delay) are held near what is known of muscle by a prior, and so is, loosely, flow: above
3 ml/min/g curves are so much alike that 1 % of their peak in two frames can double it. Sources of its
centres: H. Xue et al., MRM 83 (2020) 712 (PS 1.32 +- 0.26 ml/min/g under stress); P. Kellman et al., JCMR 19
(2017) 43.

On its way from the ventricle to the capillaries the bolus is dispersed: by how much nobody has measured in a
patient. In models of coronary arteries flow is read up to 16 % too low where it is left out (R. Schmidt et
al., ISMRM 21 (2013) 1423). A mixed chamber of 0.5 s does about that to 2 to 4 ml/min/g. What is taken for
granted is that with which flow of such a bolus and of one that arrives as it left err about alike. A scan
does not say its own: estimates (all segments of a scan, 20 simulated people) were 0.1 +- 0.1 s for none and
0.3 +- 0.15 s for 0.5 s, and left both biases as they were.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import torch

from models.kinetics import blood
from models.kinetics.btex import Btex
from models.kinetics.compartments import TwoCompartmentExchange
from models.kinetics.fermi import Fermi
from models.kinetics.inputs import dispersed
from models.kinetics.response import Model
from models.perfusion.fit import Fitted, Prior, fit, fit_all
from models.perfusion.table import Answers, Table, answer, make_table

Name = Literal["btex", "2cxm", "fermi"]

STEP = 0.25
"""Between samples of the input and of the table [s]."""

SECONDS = 80.0
"""How long an input the table covers."""

DELAYS = (-0.5, 3.0, 0.1)
"""First, last and step of the delays that are searched [s]; at 0.25 a flow of 3 ml/min/g reads 2 % high."""

FLOW, PS, VB, VISF = (0.1, 8.0, 16), (0.1, 6.0, 7), (0.03, 0.30, 9), (0.06, 0.6, 6)
"""Range and nodes of the tables, in ml/min/g and ml/g of blood and of tissue."""

FERMI = ((0.02, 2.0, 10), (0.02, 8.0, 8))
"""The same of the Fermi function's rate [1/s] and shape."""

EXPECTED = {"flow": (2.0, 0.7), "ps": (1.2, 0.5), "vp": (0.11, 0.3), "ve": (0.20, 0.35)}
"""Centre, and sd of its logarithm: flow [ml/min/g] (from 0.5 to 8), PS [ml/min/g], Vb and Visf [ml/g]."""

DISPERSION = 0.35
"""Mean transit of the chamber that the bolus passes through on its way to the capillaries [s]."""

LATE = (0.8, 0.5)
"""Expected delay and its sd [s]."""

PIXEL_SD = 0.3
"""How far a pixel's parameters other than flow stray from its sector's, sd of the logarithm."""

TRUST = 0.015
"""Of a sector's peak: below it a difference is the model's fault, not noise."""

COARSE = 1.5
"""Times what a fit leaves: where second differences tell of more noise, frames are few and it is the rise
itself. Flow is then held by what the fit left: else 4 ml/min/g read as 3.4 with a frame every 3 s."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """What was found, each [curve]; not-a-number where the model has no such parameter."""

    mbf: torch.Tensor
    """Myocardial blood flow [ml/min/g]."""

    mbf_sd: torch.Tensor
    """Standard error of it [ml/min/g]; infinite at the border of the table."""

    ps: torch.Tensor
    """[ml/min/g]."""

    vb: torch.Tensor
    visf: torch.Tensor
    """[ml/g]."""

    delay: torch.Tensor
    """[s]."""

    error: torch.Tensor
    """Root mean square of what is left, over the curve's peak."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinetics:
    """A model, ready for any input: its table is made before the scan ends."""

    name: Name
    table: Table
    haematocrit: float
    dispersion: float = DISPERSION
    """Of the input on its way [s]; delays are those of the mean."""

    def sectors(self, curves: torch.Tensor, answers: Answers) -> tuple[Flow, Fitted]:
        """Few curves of little noise [curve, moment] [mM]."""
        peak = curves.amax(1).clamp(min=1e-3)
        noise = torch.maximum(TRUST * peak, noise_of(curves))
        prior = self._prior(noise)
        found = fit_all(answers, curves, prior)
        less = noise / torch.maximum(TRUST * peak, found.residual)
        if bool((less > COARSE).any()):
            sd = prior.sd.repeat(len(curves), 1)
            sd[:, self.table.names.index("flow")] *= torch.where(less > COARSE, less, 1.0)
            found = fit_all(answers, curves, replace(prior, sd=sd))
        return self._flow(found, curves), found

    def pixels(self, curves: torch.Tensor, answers: Answers, near: Fitted) -> Flow:
        """Many curves of much noise; ``near`` is the fit of each one's sector."""
        sd = torch.tensor([math.inf, *[PIXEL_SD] * (len(self.table.axes) - 1)], dtype=torch.float64)
        prior = Prior(
            log=near.parameters.log(), sd=sd, delay=near.delay, delay_sd=0.3, noise=noise_of(curves)
        )
        return self._flow(fit(answers, curves, near, prior), curves)

    def answers(self, arterial: torch.Tensor, start: float, moments: torch.Tensor) -> Answers:
        """The table's curves at moments [s] for an input in blood [mM], every ``STEP`` s from ``start``."""
        first, last, step = DELAYS
        delays = torch.arange(first, last + step / 2, step, dtype=torch.float64)
        arrived = dispersed(arterial.to(torch.float64), STEP, self.dispersion)
        plasma = straightened(arrived) / (1 - self.haematocrit)
        return answer(self.table, plasma, start - self.dispersion, moments, delays)

    def _prior(self, noise: torch.Tensor) -> Prior:
        low, high = self.table.low.log(), self.table.high.log()
        centre, sd = (low + high) / 2, torch.full_like(low, math.inf)
        for at, name in enumerate(self.table.names):
            if name in EXPECTED:
                value, sd[at] = EXPECTED[name]
                centre[at] = math.log(value / self._units()[name])
        return Prior(log=centre[None], sd=sd, delay=torch.tensor([LATE[0]]), delay_sd=LATE[1], noise=noise)

    def _units(self) -> dict[str, float]:
        return units(self.haematocrit)

    def _flow(self, found: Fitted, curves: torch.Tensor) -> Flow:
        unit = self._units()
        at = {name: place for place, name in enumerate(self.table.names)}

        def value(name: str) -> torch.Tensor:
            if name not in at:
                return torch.full_like(found.delay, math.nan)
            return found.parameters[:, at[name]] * unit[name]

        return Flow(
            mbf=value("flow"),
            mbf_sd=found.sd[:, at["flow"]] * unit["flow"],
            ps=value("ps"),
            vb=value("vp"),
            visf=value("ve"),
            delay=found.delay,
            error=found.residual / curves.amax(1).clamp(min=1e-3),
        )


def straightened(curve: torch.Tensor) -> torch.Tensor:
    """Samples [sample] whose chords have the area under the curve: chords alone cut off its peak.

    Off by the fourth power of the step instead of its square.
    """
    out = curve.clone()
    out[1:-1] -= (curve[2:] - 2 * curve[1:-1] + curve[:-2]) / 12
    return out


def units(haematocrit: float) -> dict[str, float]:
    """What one unit of a parameter inside (plasma, seconds, volume of tissue) is to a clinician."""
    return {
        "flow": blood.blood_flow_ml_min_g(1.0, haematocrit),
        "ps": blood.permeability_ml_min_g(1.0),
        "vp": blood.blood_volume_ml_g(1.0, haematocrit),
        "ve": 1 / blood.DENSITY,
    }


@functools.lru_cache(maxsize=4)
def kinetics(name: Name, haematocrit: float) -> Kinetics:
    """A model with its table, which is kept."""
    unit = units(haematocrit)

    def scaled(of: tuple[float, float, int], parameter: str) -> tuple[float, float, int]:
        return of[0] / unit[parameter], of[1] / unit[parameter], of[2]

    flow = scaled(FLOW, "flow")
    exchange = (flow, scaled(PS, "ps"), scaled(VB, "vp"), scaled(VISF, "ve"))
    model: Model
    ranges: tuple[tuple[float, float, int], ...]
    if name == "fermi":
        model, ranges = Fermi(), (flow, *FERMI)
    else:
        model, ranges = Btex() if name == "btex" else TwoCompartmentExchange(), exchange
    return Kinetics(
        name=name, table=make_table(model, ranges, int(SECONDS / STEP), STEP), haematocrit=haematocrit
    )


def noise_of(curves: torch.Tensor) -> torch.Tensor:
    """The noise of each curve from its second differences, which a smooth curve has not, [curve]."""
    bend = curves[:, 2:] - 2 * curves[:, 1:-1] + curves[:, :-2]
    found: torch.Tensor = bend.square().mean(1).sqrt() / math.sqrt(6)
    return found.clamp(min=1e-6)
