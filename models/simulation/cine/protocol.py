"""What a cine scan measures, how and when."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import SimulationError
from models.simulation.patient import Patient
from models.simulation.plane import Plane
from models.simulation.sampling import LINE
from models.simulation.scan import Protocol

CINE_LINE = np.dtype([*LINE.descr, ("phase", "<u2"), ("segment", "<u2"), ("since", "<f8"), ("cycle", "<f8")])
"""A readout of ``sampling.LINE``; ``since`` the last R wave [s], ``cycle``: the part of that beat gone by."""


@dataclass(frozen=True, kw_only=True)
class Cine:
    """A stack of short-axis slices by balanced SSFP, base first."""

    patient: Patient
    scan: Protocol
    """Matrix, coils, noise, acceleration, repetition time, slices."""

    gating: Literal["retrospective", "realtime"] = "retrospective"
    """``retrospective``: in each heartbeat one segment of lines, again and again, breath held; ``realtime``:
    frames one after the other, with interleaved lines, while the heart beats and the patient breathes."""

    views: int = 12
    """Lines in a segment."""

    frames: int = 40
    """Frames of each slice in real time."""

    states: int = 25
    """Moments of the cycle that are computed; between them k-space is interpolated. Gated scans only."""

    jitter: float = 0.0
    """Standard deviation of the interval from beat to beat, as a part of it."""

    breath: float = 0.0
    """In real time how far the diaphragm goes, else sd of its place between the slices' breath-holds [m]."""

    breath_interval: float = 4.0
    """[s]."""

    above: float = 0.4
    """How far the first slice lies above the base, as a part of the distance from slice to slice."""

    field: float = 1.5
    flip: float = math.radians(50)
    off_resonance: float = 40.0
    """How far the frequency goes from the centre over the heart [Hz]."""

    texture: float = 0.04
    """Standard deviation of signal within a tissue, as a part."""

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no scan."""
        sampling = self.scan.sampling
        if sampling.partitions > 1 or sampling.repetitions > 1 or sampling.averages > 1:
            raise SimulationError("a cine scan has no partitions, repetitions or averages")
        if self.gating == "realtime" and sampling.accelerated:
            raise SimulationError("real-time cine has interleaved calibration")
        if self.gating == "retrospective" and self.bins < 2:
            interval = self.patient.heart.cycle.interval
            raise SimulationError(f"{self.bins} segments of {self.views} lines in a beat of {interval:.2f} s")

    @property
    def bins(self) -> int:
        """Segments in a heartbeat of mean length."""
        step = self.views * self.scan.sampling.repetition_time
        return int(self.patient.heart.cycle.interval / step)

    def height(self, index: int) -> float:
        """Of a slice above the widest place; the first lies above the valves."""
        spacing = self.scan.thickness + self.scan.gap
        return self.patient.heart.base + (self.above - index) * spacing

    def plane(self, index: int) -> Plane:
        """The plane of a slice."""
        scan = self.scan
        return self.patient.short_axis(self.height(index), scan.fov, scan.matrix, scan.thickness)


def slices_needed(patient: Patient, spacing: float, above: float = 0.4) -> int:
    """How many slices cover the heart, one of them above the base and one below the apex."""
    heart = patient.heart
    return math.ceil((heart.base + heart.depth) / spacing + 1 + above)


def plan_cine(cine: Cine) -> NDArray[Any]:
    """Every readout in the order of acquisition, ``CINE_LINE`` [readout]."""
    random = np.random.default_rng(cine.scan.seed * 16 + 6)
    parts, now = [], 0.0
    for index in range(cine.scan.sampling.slices):
        part = _gated(cine, random) if cine.gating == "retrospective" else _realtime(cine, random)
        part["slice"] = index
        part["time"] += now
        now = float(part["time"][-1]) + cine.scan.sampling.repetition_time
        parts.append(part)
    return np.concatenate(parts)


def _gated(cine: Cine, random: np.random.Generator) -> NDArray[Any]:
    """In each heartbeat a segment of lines over and over; lines of a segment lie far apart."""
    sampling = cine.scan.sampling
    regular, reference = sampling.regular()[0], sampling.calibrating()[0]
    reference &= sampling.calibration == "embedded"
    lines = np.flatnonzero(regular | reference)
    beats = -(-len(lines) // cine.views)
    parts, now = [], 0.0
    for beat in range(beats):
        segment = lines[beat::beats]
        interval = _interval(cine, random)
        bins = int(interval / (cine.views * sampling.repetition_time))
        part = np.zeros((bins, len(segment)), CINE_LINE)
        part["k1"], part["phase"], part["segment"] = segment, np.arange(bins)[:, None], beat
        steps = np.arange(bins)[:, None] * cine.views + np.arange(len(segment))
        part["since"] = steps * sampling.repetition_time
        part["cycle"], part["time"] = part["since"] / interval, part["since"] + now
        parts.append(part.reshape(-1))
        now += interval
    table = np.concatenate(parts)
    table["imaging"], table["reference"] = regular[table["k1"]], reference[table["k1"]]
    return table


def _realtime(cine: Cine, random: np.random.Generator) -> NDArray[Any]:
    """Frames of interleaved lines, while the heart beats on."""
    sampling = cine.scan.sampling
    parts = []
    for frame in range(cine.frames):
        lines = np.flatnonzero(sampling.regular(frame)[0])
        part = np.zeros(len(lines), CINE_LINE)
        part["k1"], part["phase"], part["imaging"] = lines, frame, True
        parts.append(part)
    table = np.concatenate(parts)
    table["time"] = np.arange(len(table)) * sampling.repetition_time
    waves = [0.0]
    while waves[-1] <= table["time"][-1]:
        waves.append(waves[-1] + _interval(cine, random))
    beat = np.searchsorted(waves, table["time"], side="right") - 1
    table["since"] = table["time"] - np.array(waves)[beat]
    table["cycle"] = table["since"] / np.diff(waves)[beat]
    return table


def _interval(cine: Cine, random: np.random.Generator) -> float:
    part = np.clip(random.standard_normal(), -2, 2) * cine.jitter
    return float(cine.patient.heart.cycle.interval * (1 + part))
