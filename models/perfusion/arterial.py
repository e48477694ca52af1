"""The arterial input: from the blood's signal in two echoes to its concentration.

Source: P. Kellman et al., JCMR 19 (2017) 43 (dual sequence, T2* correction, look-up table).
"""

from dataclasses import dataclass, field

import torch

from models.kinetics.concentration import LookUp
from models.perfusion.conversion import Form
from models.perfusion.curves import STEP, Bolus, bolus, grid, interpolation
from models.perfusion.protocol import Protocol

EFFICIENCY = (0.85, 1.03)
"""What the baseline may say of the saturation."""

MOST = 15.0
"""Of the look-up table of blood [mM]."""

PEAK = (0.7, 12.0)
"""Of a plausible first pass [mM]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arterial:
    """The input, and what speaks against it."""

    times: torch.Tensor
    """[frame] [s]."""

    blood: torch.Tensor
    """Concentration in blood over the baseline [mM], [frame]."""

    r2star: torch.Tensor
    """[1/s], [frame]; 0 where one echo was measured."""

    bolus: Bolus
    """Landmarks on the grid of ``STEP`` from the first of the times."""

    efficiency: float
    """Of the saturation, as the baseline has it."""

    reasons: tuple[str, ...] = field(default=())

    @property
    def peak(self) -> float:
        """Of the curve through the frames [mM]: their highest one lies beside it."""
        moments = grid(self.times)
        return float((interpolation(self.times, moments[self.bolus.peak, None]) @ self.blood)[0])

    def at(self, step: float) -> tuple[torch.Tensor, float]:
        """The concentration every ``step`` s from the start that is given with it [s]; 0 while still."""
        moments = grid(self.times, step)
        values = interpolation(self.times, moments) @ self.blood
        start = float(moments[0]) + self.bolus.still * STEP
        return torch.where(moments < start, 0.0, values), float(moments[0])


def arterial(
    signals: torch.Tensor,
    densities: torch.Tensor,
    times: torch.Tensor,
    protocol: Protocol,
    form: Form = "closed",
) -> Arterial:
    """The input from the blood's mean signal [echo, frame], float64, and that of proton density [echo]."""
    ratio, r2star = corrected(signals, densities, protocol.echo_times)
    conversion = protocol.blood(form)
    rough = bolus(interpolation(times, grid(times)) @ ratio)
    before = times < float(times[0]) + STEP * max(rough.still, 1)
    base = float(ratio[before].mean()) if bool(before.any()) else float(ratio[0])
    eff = conversion.efficiency(base)
    table = conversion.table(min(max(eff, EFFICIENCY[0]), 1.0), MOST)
    blood = table(ratio)
    marks = bolus(interpolation(times, grid(times)) @ blood)
    blood = blood - marks.baseline
    said = _judged(table, ratio, blood, marks, eff, len(grid(times)))
    return Arterial(times=times, blood=blood, r2star=r2star, bolus=marks, efficiency=eff, reasons=tuple(said))


def corrected(
    signals: torch.Tensor, densities: torch.Tensor, echo_times: tuple[float, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Signal over proton density without T2* decay, and R2* [1/s]; signals [echo, frame], densities [echo].

    R2* = ln(S0 / S1) / (TE1 - TE0) where S0 > S1, else 0; S = S0 exp(TE0 R2*).
    """
    if len(echo_times) < 2:
        return signals[0] / densities[0], torch.zeros_like(signals[0])

    def rate(values: torch.Tensor) -> torch.Tensor:
        both = values[:2].clamp(min=1e-12 * float(values.abs().max()))
        return ((both[0] / both[1]).log() / (echo_times[1] - echo_times[0])).clamp(min=0)

    r2star, still = rate(signals), rate(densities)
    top = signals[0] * torch.exp(echo_times[0] * r2star)
    return top / (densities[0] * torch.exp(echo_times[0] * still)), r2star


def _judged(
    table: LookUp, ratio: torch.Tensor, blood: torch.Tensor, marks: Bolus, eff: float, samples: int
) -> list[str]:
    said = []
    if not EFFICIENCY[0] <= eff <= EFFICIENCY[1]:
        said.append(
            f"baseline of the arterial input asks for a saturation of {eff:.2f}, "
            f"expected {EFFICIENCY[0]} to {EFFICIENCY[1]}"
        )
    if bool(table.beyond(ratio).any()) or float(blood.max()) > 0.97 * float(table.concentration[-1]):
        said.append("arterial input saturated: its signal is higher than any concentration explains")
    peak = float(blood.max())
    if not PEAK[0] <= peak <= PEAK[1]:
        said.append(f"arterial peak of {peak:.2f} mM, expected {PEAK[0]} to {PEAK[1]}")
    if marks.height < 8 * marks.noise:
        said.append(f"no bolus: the peak is {marks.height / max(marks.noise, 1e-9):.1f} sd above, expected 8")
    if marks.foot * STEP < 1.0:
        said.append(
            f"no baseline: the bolus comes {marks.foot * STEP:.1f} s after the first frame, expected 1"
        )
    if marks.peak * STEP >= samples * STEP - 4.0:
        said.append("the scan ends before the first pass is over")
    return said
