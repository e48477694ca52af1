"""One person's first pass: who, with which flow and bolus, how they breathe and how their heart beats."""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch

from models.simulation.patient import Family, Patient, draw
from models.simulation.perfusion.bolus import Bolus
from models.simulation.perfusion.flow import Flow, Generator, draw_flow, known
from models.simulation.perfusion.sequence import Sequence, standard
from models.simulation.scan import generator as source
from models.simulation.tissue import Tissue

STEP = 0.1
"""Of all true curves [s]; between their samples they are linear."""

BREATH_STEP = 0.001
"""Places of the diaphragm are multiples of this [m], so that equal ones are laid out once."""

REST = 5.0
"""Between the reference lines and the first image [s]."""

HEIGHTS = {3: (0.74, 0.50, 0.26), 1: (0.50,)}
"""Of the slices, from apex (0) to base (1) at their moment of the cycle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Everything that is scanned and how; equal descriptions give equal scans."""

    patient: Patient
    flow: Flow
    bolus: Bolus
    sequence: Sequence
    generator: Generator = "btex"
    state: Literal["stress", "rest"] = "stress"
    seed: int = 0
    breath: float = 0.012
    """How far the diaphragm goes in a mean breath [m]."""

    breath_interval: float = 4.0
    waves: torch.Tensor = field(repr=False)
    """R waves at which images are acquired [s], float64 [beat]; proton-density beats first."""

    efficiency: float = 0.98
    """Of the saturation."""

    strength: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    """Of the transmitted field: at the middle of the heart, and its slopes along x, y, and xy per 0.1 m."""

    decay: float = 16.0
    """r2* of blood [1 / (mM s)]."""

    def phase(self, index: int) -> float:
        """The moment of the cycle that a slice (-1: the arterial image) shows."""
        return self.sequence.middle(index) / self.patient.heart.cycle.interval % 1.0

    def times(self, index: int) -> torch.Tensor:
        """When the centre of k-space is acquired in each beat [s], float64 [beat]."""
        return self.waves + self.sequence.middle(index)

    def breaths(self, times: torch.Tensor) -> torch.Tensor:
        """How far the diaphragm is down [m], float64 [time]; mostly near the end of expiration."""
        random = source(self.seed, 10)
        count = int(float(times.max()) / self.breath_interval) + 3
        sizes = (1 + 0.25 * torch.randn(count, generator=random, dtype=torch.float64).clamp(-1.5, 1.5)).abs()
        turn = times / self.breath_interval + float(torch.rand((), generator=random))
        part = torch.sin(math.pi * (turn % 1.0)) ** 2
        down = self.breath * sizes[turn.long()] * part**1.5
        return (down / BREATH_STEP).round() * BREATH_STEP

    def height(self, index: int) -> float:
        """Of a slice above the widest place at end-diastole [m]; the arterial image lies at the first one."""
        share = HEIGHTS[self.sequence.slices][max(index, 0)]
        moment = self.patient.heart.at(self.phase(max(index, 0)))
        shell = moment.outer
        return moment.center - shell.depth + share * (shell.base + shell.depth)

    def field(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The transmitted field over the nominal one at distances from the middle [m], [y, x]."""
        middle, along, down, both = self.strength
        x, y = x[None, :] / 0.1, y[:, None] / 0.1
        return (middle + along * x + down * y + both * x * y).clamp(0.8, 1.2)

    def curves(self) -> tuple[torch.Tensor, torch.Tensor]:
        """True times [s] and concentrations [mM]: tissues as ``Tissue``, then sectors, [row, time].

        Papillary muscles and trabeculae are muscle of the left ventricle: they have the mean of its sectors.
        """
        end = float(self.waves[-1]) + 2.0
        time = torch.arange(int(end / STEP) + 2, dtype=torch.float64) * STEP
        rows = self.flow.curves(self.bolus.left(time), STEP, self.generator)
        held = self.bolus.held(time)
        held[Tissue.PAPILLARY] = rows.mean(0)
        return time, torch.cat([held, rows])


def draw_study(
    seed: int,
    generator: str = "btex",
    *,
    family: Family | None = None,
    state: Literal["stress", "rest"] = "stress",
    sequence: Sequence | None = None,
    beats: int = 60,
    breath: float = 0.012,
    jitter: float = 0.04,
) -> Study:
    """A random study; equal arguments give equal ones. ``jitter``: sd of the RR interval, as a part."""
    random = source(seed, 11)

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    patient = draw(seed, family)
    sequence = sequence or standard(beats=beats)
    count = sequence.density + sequence.beats
    waves = beat(patient.heart.cycle.interval, jitter, count, sequence.busy, source(seed, 12))
    bolus = Bolus(
        arrival=float(waves[sequence.density]) + between(3.0, 6.0),
        transit=between(3.5, 6.0),
        peak=between(3.2, 5.5),
        rise=between(3.2, 5.0),
        shape=between(2.4, 3.2),
        recirculation=between(0.10, 0.18),
    )
    return Study(
        patient=patient,
        flow=draw_flow(seed, state),
        bolus=bolus,
        sequence=sequence,
        generator=known(generator),
        state=state,
        seed=seed,
        breath=breath,
        breath_interval=between(3.2, 5.0),
        waves=waves,
        efficiency=between(0.95, 1.0),
        strength=(between(0.95, 1.05), between(-0.08, 0.08), between(-0.06, 0.06), between(-0.03, 0.03)),
        decay=between(14.0, 18.0),
    )


def beat(
    interval: float, jitter: float, count: int, busy: float, generator: torch.Generator, most: float = 0.6
) -> torch.Tensor:
    """R waves that start an acquisition [s]: one that comes while the last still runs is missed.

    The first one leaves time for magnetisation to recover from the reference lines.
    """
    found: list[float] = []
    now, free = REST, 0.0
    while len(found) < count:
        if now >= free:
            found.append(now)
            free = now + busy
        part = float(torch.randn((), generator=generator).clamp(-2.5, 2.5)) * jitter
        now += interval * max(1 + part, 1 - most)
    return torch.tensor(found, dtype=torch.float64)
