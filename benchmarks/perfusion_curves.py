"""Blood flow from the curves of forty simulated patients: the bias of conversion and fit, without images.

The mean signals of the sectors and of the left ventricle's blood come from the simulator's signal equations,
with its saturation efficiency, transmitted field, T2* and person's own T1, and noise as behind parallel
imaging (pixels at the contrast-to-noise ratio given, ``PIXELS`` of them in a sector). The tissue is generated
by BTEX, by a partial differential equation with diffusion and a dispersed bolus, or by two compartments.
Masks are true and nothing moves, so that what is left is the fault of conversion and fit.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure
from models.kinetics.concentration import RELAXIVITY, RELAXIVITY_T2
from models.perfusion.arterial import EFFICIENCY, Arterial, arterial
from models.perfusion.conversion import Form
from models.perfusion.curves import STEP as GRID
from models.perfusion.flow import STEP, Kinetics, Name, kinetics
from models.perfusion.protocol import NATIVE, NATIVE_T2, Protocol
from models.simulation.perfusion.appearance import Look, look, strengths
from models.simulation.perfusion.sequence import Train
from models.simulation.perfusion.series import healthy
from models.simulation.perfusion.study import Study, draw_study
from models.simulation.tissue import Tissue

PATIENTS = int(os.environ.get("SCANSIDE_PATIENTS", "40"))
FORM: Form = "bloch" if os.environ.get("SCANSIDE_CONVERSION") == "bloch" else "closed"
"""What the look-up tables are made of."""

PIXELS, BLOOD = 70, 12
"""Pixels of a sector, and of the blood in the arterial images."""

BANDS = ((0.4, 2.0, 5.0), (2.0, 4.0, 10.0), (4.0, 5.1, math.inf))
"""Flow from and to [ml/min/g], and the bias that is asked for [%]."""

CASES: tuple[tuple[str, Name], ...] = (("btex", "btex"), ("pde", "btex"), ("2cxm", "btex"), ("2cxm", "2cxm"))


@dataclass(frozen=True, kw_only=True)
class Found:
    """Sectors of all patients."""

    true: NDArray[np.float64]
    mbf: NDArray[np.float64]
    sd: NDArray[np.float64]
    """Standard errors as the fit gives them [ml/min/g]."""

    peak: NDArray[np.float64]
    """Of the arterial input, found over true, by patient."""

    late: NDArray[np.float64]
    """Of its peak, found minus true [s]."""


def run() -> Iterator[Figure]:
    """Bias in three bands of flow, limits of agreement, correlation, and whether ischaemia is told."""
    for cnr in (12.0, 25.0):
        for generator, model in CASES:
            found = patients(generator, model, cnr)
            yield from figures(found, f"{generator} by {model}, CNR {cnr:.0f}", limited=generator != "2cxm")


def figures(found: Found, name: str, limited: bool) -> Iterator[Figure]:
    """What is asked for of some sectors."""
    error = 100 * (found.mbf / found.true - 1)
    for low, high, limit in BANDS:
        inside = (found.true >= low) & (found.true < high)
        asked = limit if limited and math.isfinite(limit) else None
        value = float(error[inside].mean()) if inside.any() else math.nan
        spread = float(error[inside].std()) if inside.any() else math.nan
        note = f"{int(inside.sum())} sectors, sd {spread:.1f} %"
        yield Figure(
            name=f"{name}: |bias|, {low} to {high} ml/min/g",
            value=abs(value),
            unit="%",
            limit=asked,
            note=f"{value:+.2f}; {note}",
        )
    away = found.mbf - found.true
    yield Figure(
        name=f"{name}: limits of agreement, half width",
        value=1.96 * float(away.std()),
        unit="ml/min/g",
        note=f"bias {float(away.mean()):+.3f}",
    )
    yield Figure(name=f"{name}: correlation", value=float(np.corrcoef(found.true, found.mbf)[0, 1]), unit="")
    yield from _told(found, name)
    if np.isfinite(found.peak).any():
        yield Figure(
            name=f"{name}: arterial peak, worst",
            value=100 * float(np.abs(found.peak - 1).max()),
            unit="%",
            limit=5.0 if limited else None,
            note=f"mean {100 * float((found.peak - 1).mean()):+.2f}",
        )
        yield Figure(
            name=f"{name}: arterial peak time, worst",
            value=float(np.abs(found.late).max()),
            unit="s",
            limit=0.5 if limited else None,
        )


def _told(found: Found, name: str) -> Iterator[Figure]:
    sick, well = found.true <= 1.2, found.true >= 2.0
    if not (sick.any() and well.any()):
        return
    cut = 1.6
    yield Figure(
        name=f"{name}: sensitivity at {cut}",
        value=float((found.mbf[sick] < cut).mean()),
        limit=0.95,
        sense="at least",
    )
    yield Figure(
        name=f"{name}: specificity at {cut}",
        value=float((found.mbf[well] >= cut).mean()),
        limit=0.95,
        sense="at least",
    )
    low, high = (
        found.mbf[(found.true > 1.2) & (found.true < 1.6)],
        found.mbf[(found.true >= 1.6) & (found.true < 2.0)],
    )
    if len(low) and len(high):
        area = float((low[:, None] < high[None, :]).mean())
        yield Figure(
            name=f"{name}: AUC of the band between, 1.6",
            value=area,
            unit="",
            note=f"{len(low)} and {len(high)} sectors",
        )


def patients(generator: str, model: Name, cnr: float, count: int = PATIENTS) -> Found:
    """Every sector of so many patients."""
    ready = kinetics(model, 0.42)
    parts = [patient(draw_study(seed, generator), ready, cnr) for seed in range(100, 100 + count)]
    return Found(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def patient(study: Study, ready: Kinetics, cnr: float) -> dict[str, NDArray[np.float64]]:
    """The sectors of one patient."""
    eyes, sequence = look(study), study.sequence
    protocol = protocol_of(study)
    random = torch.Generator().manual_seed(study.seed)
    level = healthy(eyes, sequence.muscle) / cnr
    inflow = blood(eyes, protocol, level / 2 / math.sqrt(BLOOD), random)
    found = []
    for index, numbers in enumerate((range(6), range(6, 12), range(12, 16))):
        curves, times = held(eyes, protocol, inflow, index, list(numbers), level / math.sqrt(PIXELS), random)
        answers = ready.answers(*inflow.at(STEP), times)
        flow, _ = ready.sectors(curves, answers)
        found.append(flow)
    peak = eyes.held[Tissue.LEFT_BLOOD]
    when = float(eyes.time[peak.argmax()])
    return {
        "true": study.flow.mbf.numpy(),
        "mbf": np.concatenate([each.mbf.numpy() for each in found]),
        "sd": np.concatenate([each.mbf_sd.numpy() for each in found]),
        "peak": np.array([float(inflow.blood.max() / peak.max())]),
        "late": np.array([float(inflow.times[0]) + GRID * inflow.bolus.peak - when]),
    }


def protocol_of(study: Study) -> Protocol:
    """What the header would have said."""
    sequence = study.sequence
    blood_t1, muscle_t1 = NATIVE[sequence.field]
    return Protocol(
        muscle=sequence.muscle.readout,
        arterial=sequence.artery.readout,
        echo_times=sequence.artery.echoes,
        t1_blood=blood_t1,
        t1_muscle=muscle_t1,
        relaxivity=RELAXIVITY[sequence.field],
        t2_blood=NATIVE_T2[sequence.field][0],
        t2_muscle=NATIVE_T2[sequence.field][1],
        relaxivity_t2=RELAXIVITY_T2[sequence.field],
    )


def signals(
    eyes: Look, train: Train, times: torch.Tensor, rows: list[int], strength: float, echo: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noiseless proton-density and saturated signals at the centre of k-space, [row, frame]."""
    first = eyes.study.sequence.density
    weights = strengths(torch.tensor([[strength]], dtype=torch.float64))[:, 0, 0].double()

    def seen(table: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nr,n->r", table[:, rows, train.center], weights)

    dark = [seen(eyes.dark(train, ready, echo)) for ready in eyes.ready(train, times[:first])]
    bright = [seen(eyes.bright(train, float(time), echo)) for time in times[first:]]
    return torch.stack(dark, 1), torch.stack(bright, 1)


def blood(eyes: Look, protocol: Protocol, sd: float, random: torch.Generator) -> Arterial:
    """The arterial input as it is found."""
    study, train = eyes.study, eyes.study.sequence.artery
    times = study.times(-1)
    strength = float(study.strength[0])
    pairs = [signals(eyes, train, times, [int(Tissue.LEFT_BLOOD)], strength, echo) for echo in (0, 1)]
    bright = torch.cat([pair[1] for pair in pairs])
    dark = torch.cat([pair[0] for pair in pairs]).mean(1)
    noise = torch.randn(bright.shape, generator=random, dtype=torch.float64)
    return arterial(bright + sd * noise, dark, times[study.sequence.density :], protocol, FORM)


def held(
    eyes: Look,
    protocol: Protocol,
    inflow: Arterial,
    index: int,
    sectors: list[int],
    sd: float,
    random: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Concentrations of sectors as they are found [sector, frame], and the times of the frames [s]."""
    study, train = eyes.study, eyes.study.sequence.muscle
    times = study.times(index)
    rows = [len(Tissue) + each for each in sectors]
    dark, bright = signals(eyes, train, times, rows, float(study.strength[0]), 0)
    noise = torch.randn(bright.shape, generator=random, dtype=torch.float64)
    ratio = (bright + sd * noise) / dark[:, :1]
    times = times[study.sequence.density :]
    before = times < float(inflow.times[0]) + GRID * inflow.bolus.foot
    conversion = protocol.tissue(FORM)
    eff = conversion.efficiency(float(ratio[:, before].mean()))
    table = conversion.table(min(max(eff, EFFICIENCY[0]), 1.0), 10.0)
    found = table(ratio)
    return found - found[:, before].mean(1, keepdim=True), times
