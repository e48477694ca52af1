"""Which lines of k-space are acquired, in which order and when."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import SimulationError

Calibration = Literal["embedded", "separate", "interleaved"]
Order = Literal["linear", "centric", "interleaved", "random"]

Mask: TypeAlias = NDArray[np.bool_]
"""Lines of the full matrix, [k2, k1]."""

Places: TypeAlias = NDArray[np.int64]
"""Lines by their place, [line, (k2, k1)]."""

LINE = np.dtype(
    [
        ("k1", "<u2"),
        ("k2", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("repetition", "<u2"),
        ("imaging", "?"),
        ("reference", "?"),
        ("time", "<f8"),
    ]
)
"""One readout: k1 and k2 count lines and partitions of the full matrix from 0; time [s] from the first
excitation."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A Cartesian acquisition: 2D of several slices, or 3D."""

    lines: int
    """Lines of the full matrix; k1 = lines // 2 is the centre of k-space."""

    partitions: int = 1
    """More than 1: 3D; k2 = partitions // 2 is the centre of k-space."""

    slices: int = 1
    repetitions: int = 1
    averages: int = 1
    acceleration: int = 1
    """R: lines with (k1 - lines // 2) mod R = 0 are acquired."""

    acceleration_z: int = 1
    """The same along k2."""

    caipi: int = 0
    """By how many lines the pattern moves on from one acquired partition to the next (CAIPIRINHA; F. Breuer
    et al., Magn. Reson. Med. 55 (2006) 549)."""

    reference_lines: int = 24
    """How many central lines calibrate; they are not acquired at R = 1 nor when interleaved."""

    reference_partitions: int | None = None
    """How many central partitions have them; None: all, or 24 where partitions are left out."""

    calibration: Calibration = "embedded"
    """``embedded``: within each pass; ``separate``: once, before all else; ``interleaved``: no reference
    lines, but the pattern moves on by one line from repetition to repetition (by one partition after R)."""

    partial_fourier: float = 1.0
    """Acquired part of the full matrix, more than a half; the first lines are left out."""

    order: Order = "linear"
    slice_order: Literal["sequential", "interleaved"] = "sequential"
    """``interleaved``: the slices take turns within each repetition time."""

    repetition_time: float = 0.005
    """[s]."""

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no scan."""
        positive = ("lines", "partitions", "slices", "repetitions", "averages")
        for name in (*positive, "acceleration", "acceleration_z"):
            if getattr(self, name) < 1:
                raise SimulationError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if not 0.5 < self.partial_fourier <= 1:
            raise SimulationError(
                f"partial Fourier is {self.partial_fourier}, expected above 0.5 and at most 1"
            )
        if self.reference_lines < 0 or (self.accelerated and self.reference_lines > self.lines):
            raise SimulationError(f"{self.reference_lines} reference lines, expected 0 to {self.lines}")
        self._check_3d()

    def _check_3d(self) -> None:
        if self.partitions > 1 and self.slices > 1:
            raise SimulationError(f"{self.partitions} partitions of {self.slices} slices, expected one slice")
        if self.acceleration_z > self.partitions:
            raise SimulationError(
                f"acceleration {self.acceleration_z} along z, expected at most {self.partitions} partitions"
            )
        if not 0 <= self.caipi < self.acceleration:
            raise SimulationError(f"CAIPI shift {self.caipi}, expected 0 to {self.acceleration - 1}")
        if not 1 <= (self.reference_partitions or 1) <= self.partitions:
            raise SimulationError(
                f"{self.reference_partitions} reference partitions, expected 1 to {self.partitions}"
            )

    @property
    def first(self) -> int:
        """The first line that partial Fourier leaves."""
        return self.lines - max(round(self.lines * self.partial_fourier), self.lines // 2 + 1)

    @property
    def reduction(self) -> int:
        """By how much fewer lines are acquired, along both axes together."""
        return self.acceleration * self.acceleration_z

    @property
    def accelerated(self) -> bool:
        """Whether reference lines are of use."""
        return self.reduction > 1 and self.calibration != "interleaved" and self.reference_lines > 0

    @property
    def reference(self) -> range:
        """The reference lines, central in the full matrix; empty where there are none."""
        count = self.reference_lines if self.accelerated else 0
        start = self.lines // 2 - count // 2
        return range(max(start, self.first), start + count)

    @property
    def reference_k2(self) -> range:
        """The partitions that have reference lines."""
        usual = min(24, self.partitions) if self.acceleration_z > 1 else self.partitions
        count = self.reference_partitions or usual
        start = self.partitions // 2 - count // 2
        return range(start, start + count)

    def regular(self, repetition: int = 0) -> Mask:
        """The lines of the accelerated pattern, [k2, k1]."""
        shift = repetition if self.calibration == "interleaved" else 0
        k2 = np.arange(self.partitions)[:, None] - self.partitions // 2 - shift // self.acceleration
        k1 = np.arange(self.lines)[None, :] - self.lines // 2 - shift
        moved = k1 - self.caipi * (k2 // self.acceleration_z)
        found: Mask = (k2 % self.acceleration_z == 0) & (moved % self.acceleration == 0)
        return found & (np.arange(self.lines) >= self.first)

    def calibrating(self) -> Mask:
        """The reference lines, [k2, k1]."""
        lines = np.zeros((self.partitions, self.lines), np.bool_)
        lines[np.ix_(self.reference_k2, self.reference)] = True
        return lines


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
    table = _loops(sampling, np.argwhere(sampling.calibrating()), averages=1)
    table["reference"] = True
    return table


def _repetition(sampling: Sampling, index: int, random: np.random.Generator) -> NDArray[Any]:
    regular = sampling.regular(index)
    reference = sampling.calibrating() & (sampling.calibration == "embedded")
    lines = _ordered(np.argwhere(regular | reference), sampling, random)
    table = _loops(sampling, lines, sampling.averages)
    table["repetition"] = index
    table["imaging"] = regular[table["k2"], table["k1"]]
    table["reference"] = reference[table["k2"], table["k1"]]
    return table


def _loops(sampling: Sampling, lines: Places, averages: int) -> NDArray[Any]:
    """All lines of all slices and averages: slices outermost, or innermost where they are interleaved."""
    sizes = (sampling.slices, averages, len(lines))
    slices, average, line = np.indices(sizes)
    table = np.zeros(sizes, LINE)
    table["slice"], table["average"] = slices, average
    table["k2"], table["k1"] = lines[line, 0], lines[line, 1]
    if sampling.slice_order == "interleaved":
        table = table.transpose(1, 2, 0)
    return table.reshape(-1)


def _ordered(lines: Places, sampling: Sampling, random: np.random.Generator) -> Places:
    """From linear order (k1 runs fastest) to the one asked for."""
    if sampling.order == "centric":
        size = np.array((sampling.partitions, sampling.lines))
        distance = np.linalg.norm((lines - size // 2) / size, axis=1)
        return lines[np.argsort(distance.round(9), kind="stable")]
    if sampling.order == "interleaved":
        return np.concatenate([lines[0::2], lines[1::2]])
    if sampling.order == "random":
        return random.permutation(lines)
    return lines
