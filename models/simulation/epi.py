"""Echo-planar acquisitions of a simulated object: ramp sampling, alternating lines, reference echoes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import SimulationError
from models.simulation.noise import correlated
from models.simulation.sampling import LINE
from models.simulation.scan import Simulation

ECHO = np.dtype(
    [*LINE.descr, ("segment", "<u2"), ("reverse", "?"), ("navigator", "?"), ("echo", "<i4"), ("end", "?")]
)
"""One readout: beyond ``LINE`` its shot, its direction, whether it is a reference echo, how many echo
spacings it comes after the first line of its shot, and whether it is the last of its slice."""


@dataclass(frozen=True, kw_only=True)
class Train:
    """How an echo train runs, and what is wrong with it."""

    shots: int = 1
    """Shots of an image: each acquires every so-manieth line."""

    navigators: int = 3
    """Reference echoes of each shot, in alternating directions, the first one reversed."""

    ramp: float = 0.3
    """Part of the gradient that each ramp takes; sampling begins and ends at a tenth of the ramps."""

    constant: float = 0.6
    """Phase of reversed minus that of forward lines at the centre of the field of view [rad]."""

    slope: float = 1.5
    """By how much that phase grows over the field of view [rad]."""

    drift: float = 0.02
    """Phase from echo to echo [rad]."""

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no train."""
        if self.shots < 1 or self.navigators < 0 or not 0 <= self.ramp < 0.5:
            raise SimulationError(
                f"{self.shots} shots, {self.navigators} navigators and ramps of {self.ramp}, expected at"
                " least 1, at least 0 and less than half"
            )

    def gradient(self, samples: int, dwell: float) -> dict[str, float]:
        """Times of the trapezoid under an echo [s]: up, flat, down, delay, dwell."""
        read = samples * dwell
        whole = read / (1 - 0.2 * self.ramp)
        up = self.ramp * whole
        return {"up": up, "flat": whole - 2 * up, "down": up, "delay": (whole - read) / 2, "dwell": dwell}

    def positions(self, samples: int) -> torch.Tensor:
        """k at the middle of each sample of a forward line [1 / field of view], float64, odd about 0."""
        times = self.gradient(samples, 1.0)
        up, whole = times["up"], times["up"] + times["flat"] + times["down"]

        def area(at: torch.Tensor) -> torch.Tensor:
            after = at - whole / 2
            side = after.abs()
            late = (side - times["flat"] / 2).clamp(min=0)
            return after.sign() * (side - (late**2 / (2 * up) if up > 0 else 0))

        edges = times["delay"] + torch.tensor([0.0, samples], dtype=torch.float64)
        middles = times["delay"] + torch.arange(samples, dtype=torch.float64) + 0.5
        return area(middles) * samples / float(area(edges).diff())


@dataclass(frozen=True, kw_only=True, eq=False)
class EpiSimulation:
    """A simulated scan whose lines come in echo trains; its truth is that of ``base``."""

    base: Simulation
    train: Train
    lines: NDArray[Any] = field(repr=False)
    """``ECHO``, [readout]."""

    def readouts(self, count: int = 256) -> Iterator[tuple[slice, torch.Tensor]]:
        """The samples in the order of time, as ``Simulation.readouts``."""
        protocol = self.base.protocol
        generator = torch.Generator().manual_seed(protocol.seed * 16 + 3)
        samples = protocol.samples
        echoes = self._echoes(samples)
        for start in range(0, len(self.lines), count):
            rows = self.lines[start : start + count]
            clean = self.base.kspace[_index(rows["slice"]), :, _index(rows["k1"])]
            clean = torch.stack(
                [line @ echoes[int(back)] for line, back in zip(clean, rows["reverse"], strict=True)]
            )
            factor = torch.from_numpy(protocol.intensity(rows["repetition"]))
            drift = torch.polar(factor, self.train.drift * torch.from_numpy(rows["echo"].astype(np.float64)))
            noise = correlated(self.base.mix, (len(rows), samples), generator)
            yield slice(start, start + len(rows)), noise + clean * drift.to(torch.complex64)[:, None, None]

    def _echoes(self, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
        """From even k-space to the samples of forward and of reversed echoes, complex64 [k0, sample]."""
        place = torch.arange(samples, dtype=torch.float64) - samples // 2
        over = self.base.protocol.oversampling
        image = _waves(torch.outer(place, place) / samples)
        k = self.train.positions(samples)
        found = []
        for sign in (1, -1):
            half = -sign * (self.train.constant + self.train.slope * place * over / samples) / 2
            phase = torch.polar(torch.ones_like(half), half)
            found.append(image @ (phase[:, None] * _waves(-torch.outer(place, sign * k) / samples)) / samples)
        return found[0].to(torch.complex64), found[1].to(torch.complex64)


def simulate_epi(base: Simulation, train: Train) -> EpiSimulation:
    """The same object in echo trains; reference lines of an accelerated scan come in trains of their own.

    Raises SimulationError for what no echo train acquires.
    """
    sampling = base.protocol.sampling
    if sampling.partitions > 1 or sampling.averages > 1 or base.protocol.skipped:
        raise SimulationError("EPI is simulated in 2D, with one average and whole echoes")
    if sampling.accelerated and sampling.calibration != "separate":
        raise SimulationError(f"calibration of accelerated EPI is {sampling.calibration}, expected separate")
    trains = []
    for index in range(sampling.slices if sampling.accelerated else 0):
        for shot in range(sampling.acceleration):
            trains.append(_train(np.asarray(sampling.reference)[shot :: sampling.acceleration], shot, train))
            trains[-1]["slice"], trains[-1]["reference"], trains[-1]["imaging"] = index, True, False
    for repetition in range(sampling.repetitions):
        regular = np.flatnonzero(sampling.regular(repetition)[0])
        for index in range(sampling.slices):
            for shot in range(train.shots):
                trains.append(_train(regular[shot :: train.shots], shot, train))
                trains[-1]["slice"], trains[-1]["repetition"] = index, repetition
                trains[-1]["end"][-1] = shot == train.shots - 1
    lines = np.concatenate(trains)
    lines["k1"][lines["navigator"]] = sampling.lines // 2
    lines["time"] = np.arange(len(lines)) * _spacing(base, train)
    return EpiSimulation(base=base, train=train, lines=lines)


def _train(k1: NDArray[np.int64], shot: int, train: Train) -> NDArray[Any]:
    lines = np.zeros(train.navigators + len(k1), ECHO)
    lines["echo"] = np.arange(len(lines)) - train.navigators
    lines["reverse"] = lines["echo"] % 2 != 0
    lines["navigator"] = lines["echo"] < 0
    lines["k1"][train.navigators :] = k1
    lines["segment"], lines["imaging"] = shot, ~lines["navigator"]
    return lines


def _spacing(base: Simulation, train: Train) -> float:
    times = train.gradient(base.protocol.samples, base.protocol.dwell)
    return times["up"] + times["flat"] + times["down"]


def _waves(turns: torch.Tensor) -> torch.Tensor:
    return torch.polar(torch.ones_like(turns), 2 * math.pi * turns)


def _index(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64))
