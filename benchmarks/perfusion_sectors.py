"""What became of the segments of a simulated patient, beside the truth."""

from collections.abc import Iterator
from typing import Any

import torch

from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.cardiac.perfusion.quantify import within
from models.perfusion.regions import eroded
from models.simulation.perfusion.acquire import PerfusionSimulation
from models.simulation.tissue import Tissue

Row = dict[str, Any]
"""A sector, a patient or a slice: plain numbers by name."""


def index_of(one: Slice) -> int:
    """Which slice of the study it is."""
    return int(one.frames.head["slice"])


def sectors(item: FirstPass, simulation: PerfusionSimulation) -> Iterator[Row]:
    """A row of each segment that has flow; ``off``: how its curve differs from the true one (``apart``)."""
    truth = simulation.study.flow
    for one in item.slices:
        times = simulation.study.times(index_of(one))[simulation.study.sequence.density :]
        if one.gadolinium is None or one.segments is None or one.moved is None or one.heart is None:
            continue
        kept = ~one.moved.beyond
        held = torch.stack([simulation.eyes.concentration(float(time)) for time in times], 1)
        for number, flow in one.sectors.items():
            curve = torch.full((len(kept),), torch.nan, dtype=torch.float64)
            curve[kept] = one.gadolinium[:, one.segments == number].double().mean(1)
            core = within(one.segments == number, eroded(one.heart.muscle))
            mean = one.gadolinium[:, core].double().mean(1)
            yield {
                "segment": number,
                "true": float(truth.mbf[number - 1]),
                "mbf": float(flow.mbf),
                "mbf_sd": float(flow.mbf_sd),
                "error": float(flow.error),
                "off": apart(mean, held[len(Tissue) + number - 1][kept]),
                "curve": curve,
            }


def apart(found: torch.Tensor, true: torch.Tensor) -> float:
    """How a curve [frame] differs from so many times the true one: sd over the peak."""
    scale = (found @ true) / (true @ true)
    return float((found - scale * true).std() / (scale * true.max()))
