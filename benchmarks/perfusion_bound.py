"""The Cramer-Rao bound of blood flow, for two simulated scans that differ by their noise alone."""

import math
from typing import Any

import torch

from models.kinetics.btex import Btex
from models.kinetics.compartments import TwoCompartmentExchange
from models.kinetics.response import tissue
from models.perfusion.flow import EXPECTED, LATE
from models.simulation.perfusion.acquire import PerfusionSimulation
from models.simulation.perfusion.study import STEP

Row = dict[str, Any]


def bounded(low: list[Row], high: list[Row], simulation: PerfusionSimulation) -> None:
    """Write into the rows of two scans that differ by their noise alone the Cramer-Rao bounds of flow.

    The noise of a sector's mean curve is that of the difference of both scans' curves, for true masks.
    ``free``: nothing is known of the other parameters; ``held``: what the fit expects of them counts.
    """
    other = {row["segment"]: row for row in high if row["masks"] == "true"}
    for row in low:
        if row["masks"] != "true" or row["segment"] not in other:
            continue
        twin = other[row["segment"]]
        apart = row["curve"] - twin["curve"]
        both = apart.isfinite()
        one = float(apart[both].std()) / math.hypot(1 / row["cnr"], 1 / twin["cnr"])
        slope = slopes(simulation, row["segment"] - 1, len(apart))[both]
        normal = slope.mT @ slope
        row["twin"] = {"mbf": twin["mbf"]}
        for each, bounds in ((row, row), (twin, row["twin"])):
            noise = one / each["cnr"]
            bounds["noise"] = noise
            bounds["free"] = each["true"] * _sd(normal / noise**2)
            bounds["held"] = each["true"] * _sd(normal / noise**2 + PRIOR)


def _sd(information: torch.Tensor) -> float:
    return float(torch.linalg.pinv(information, hermitian=True)[0, 0]) ** 0.5


PRIOR = torch.diag(
    torch.tensor(
        [*(1 / EXPECTED[name][1] ** 2 for name in ("flow", "ps", "vp", "ve")), 1 / LATE[1] ** 2],
        dtype=torch.float64,
    )
)
"""What the fit expects, as information on the logarithms of flow, PS, vp and ve, and on the delay."""


def slopes(simulation: PerfusionSimulation, sector: int, frames: int) -> torch.Tensor:
    """Of a sector's true curve by the logarithms of its parameters, and by its delay; [frame, 5]."""
    study, small = simulation.study, 0.01
    model = TwoCompartmentExchange() if study.generator == "2cxm" else Btex()
    time = simulation.eyes.time
    plasma = study.bolus.left(time) / (1 - study.flow.haematocrit)
    middle, delay = study.flow.parameters()[sector], study.flow.delay[sector]
    steps = [sign * small * unit for unit in torch.eye(5).double() for sign in (1, -1)]
    curves = torch.cat(
        [
            tissue(model, (middle * step[:4].exp())[None], plasma, STEP, delay[None] + step[4:])
            for step in steps
        ]
    )
    level = 0 if sector < 6 else 1 if sector < 12 else 2
    times = study.times(level)[study.sequence.density :][:frames]
    seen = curves[:, (times / STEP).round().long().clamp(max=len(time) - 1)]
    return ((seen[0::2] - seen[1::2]) / (2 * small)).mT
