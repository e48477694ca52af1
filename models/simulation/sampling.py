"""Which lines of k-space are acquired, in which order and when."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import SimulationError

Calibration = Literal["embedded", "separate", "interleaved"]
Order = Literal["linear", "centric", "interleaved", "random"]

LINE = np.dtype(
    [
        ("k1", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("repetition", "<u2"),
        ("imaging", "?"),
        ("reference", "?"),
        ("time", "<f8"),
    ]
)
"""One readout: k1 counts lines of the full matrix from 0; time [s] from the first excitation."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A Cartesian 2D acquisition of several slices."""

    lines: int
    """Lines of the full matrix; k1 = lines // 2 is the centre of k-space."""

    slices: int = 1
    repetitions: int = 1
    averages: int = 1
    acceleration: int = 1
    """R: lines with (k1 - lines // 2) mod R = 0 are acquired."""

    reference_lines: int = 24
    """How many central lines calibrate; they are not acquired at R = 1 nor when interleaved."""

    calibration: Calibration = "embedded"
    """``embedded``: within each pass; ``separate``: once, before all else; ``interleaved``: no reference
    lines, but the pattern moves on by one line from repetition to repetition."""

    partial_fourier: float = 1.0
    """Acquired part of the full matrix, more than a half; the first lines are left out."""

    order: Order = "linear"
    slice_order: Literal["sequential", "interleaved"] = "sequential"
    """``interleaved``: the slices take turns within each repetition time."""

    repetition_time: float = 0.005
    """[s]."""

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no scan."""
        positive = ("lines", "slices", "repetitions", "averages", "acceleration")
        for name in positive:
            if getattr(self, name) < 1:
                raise SimulationError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if not 0.5 < self.partial_fourier <= 1:
            raise SimulationError(
                f"partial Fourier is {self.partial_fourier}, expected above 0.5 and at most 1"
            )
        if self.reference_lines < 0 or (self.accelerated and self.reference_lines > self.lines):
            raise SimulationError(f"{self.reference_lines} reference lines, expected 0 to {self.lines}")

    @property
    def first(self) -> int:
        """The first line that partial Fourier leaves."""
        return self.lines - max(round(self.lines * self.partial_fourier), self.lines // 2 + 1)

    @property
    def accelerated(self) -> bool:
        """Whether reference lines are of use."""
        return self.acceleration > 1 and self.calibration != "interleaved" and self.reference_lines > 0

    @property
    def reference(self) -> range:
        """The reference lines, central in the full matrix; empty where there are none."""
        count = self.reference_lines if self.accelerated else 0
        start = self.lines // 2 - count // 2
        return range(max(start, self.first), start + count)

    def regular(self, repetition: int = 0) -> NDArray[np.int64]:
        """The lines of the accelerated pattern, ascending."""
        every = np.arange(self.first, self.lines)
        shift = repetition if self.calibration == "interleaved" else 0
        found: NDArray[np.int64] = every[(every - self.lines // 2 - shift) % self.acceleration == 0]
        return found


def plan(sampling: Sampling, seed: int = 0) -> NDArray[Any]:
    """Every readout of the scan in the order of acquisition, ``LINE`` [readout]."""
    random = np.random.default_rng(seed)
    passes = [_separate(sampling)] if sampling.accelerated and sampling.calibration == "separate" else []
    passes += [_repetition(sampling, index, random) for index in range(sampling.repetitions)]
    table = np.concatenate(passes)
    turns = sampling.slices if sampling.slice_order == "interleaved" else 1
    table["time"] = np.arange(len(table)) * (sampling.repetition_time / turns)
    return table


def _separate(sampling: Sampling) -> NDArray[Any]:
    lines = np.asarray(sampling.reference)
    table = _loops(sampling, lines, averages=1)
    table["reference"] = True
    return table


def _repetition(sampling: Sampling, index: int, random: np.random.Generator) -> NDArray[Any]:
    regular = sampling.regular(index)
    embedded = sampling.calibration == "embedded"
    lines = np.union1d(regular, np.asarray(sampling.reference, np.int64)) if embedded else regular
    table = _loops(sampling, _ordered(lines, sampling, random), sampling.averages)
    table["repetition"] = index
    table["imaging"] = np.isin(table["k1"], regular)
    table["reference"] = embedded & np.isin(table["k1"], np.asarray(sampling.reference))
    return table


def _loops(sampling: Sampling, lines: NDArray[np.int64], averages: int) -> NDArray[Any]:
    """All lines of all slices and averages: slices outermost, or innermost where they are interleaved."""
    sizes = (sampling.slices, averages, len(lines))
    slices, average, line = np.indices(sizes)
    table = np.zeros(sizes, LINE)
    table["slice"], table["average"], table["k1"] = slices, average, lines[line]
    if sampling.slice_order == "interleaved":
        table = table.transpose(1, 2, 0)
    return table.reshape(-1)


def _ordered(lines: NDArray[np.int64], sampling: Sampling, random: np.random.Generator) -> NDArray[np.int64]:
    if sampling.order == "centric":
        return lines[np.argsort(np.abs(lines - sampling.lines // 2), kind="stable")]
    if sampling.order == "interleaved":
        return np.concatenate([lines[0::2], lines[1::2]])
    if sampling.order == "random":
        return random.permutation(lines)
    return lines
