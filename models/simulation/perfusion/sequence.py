"""What is acquired in a heartbeat, when, and the signal of each of its lines."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from models.errors import SimulationError
from models.kinetics.bloch import balanced
from models.kinetics.concentration import RELAXIVITY, Readout
from models.simulation.sampling import Sampling
from models.simulation.signal import saturated


@dataclass(frozen=True, kw_only=True)
class Train:
    """A readout of one image, after saturation or without it (proton density).

    Spoiled, or with a run-up balanced after saturation; proton density is spoiled in any case.
    """

    matrix: tuple[int, int]
    """(x, y)."""

    flip: float
    flip_density: float
    """[rad]."""

    spacing: float
    """From pulse to pulse [s]."""

    delay: float
    """From the saturation to the first pulse [s]."""

    echoes: tuple[float, ...]
    """Echo times [s]."""

    acceleration: int
    reference_lines: int
    ramp: int | None = None
    """Run-up pulses of a balanced train, see ``bloch.balanced``; None: spoiled."""

    @property
    def sampling(self) -> Sampling:
        """The lines, with reference lines in a train of their own."""
        return Sampling(
            lines=self.matrix[1],
            acceleration=self.acceleration,
            reference_lines=self.reference_lines,
            calibration="separate",
            repetition_time=self.spacing,
        )

    @property
    def lines(self) -> tuple[int, ...]:
        """Acquired lines of the full matrix, in the order of acquisition."""
        return tuple(torch.nonzero(torch.from_numpy(self.sampling.regular()[0]))[:, 0].tolist())

    @property
    def center(self) -> int:
        """Which pulse reads the centre of k-space; 0 is the first."""
        return self.lines.index(self.matrix[1] // 2)

    @property
    def first(self) -> float:
        """From the saturation to the first pulse whose echo is acquired [s]."""
        return self.delay + (self.ramp or 0) * self.spacing

    @property
    def duration(self) -> float:
        """From the saturation to the end [s]."""
        return self.first + len(self.lines) * self.spacing

    @property
    def readout(self) -> Readout:
        """What a look-up table has to know."""
        return Readout(
            flip=self.flip,
            flip_density=self.flip_density,
            repetition=self.spacing,
            delay=self.delay,
            pulse=self.center,
            ramp=self.ramp,
        )

    def signal(
        self, t1: torch.Tensor, t2: torch.Tensor, strength: torch.Tensor, efficiency: float
    ) -> torch.Tensor:
        """Of each pulse after saturation, float64 [..., pulse]; ``strength`` multiplies the flip angle.

        T2 counts in a balanced train alone, which has the decay to its echo in it.
        """
        if self.ramp is not None:
            return balanced(
                t1,
                t2,
                flip=self.flip * strength,
                repetition=self.spacing,
                pulses=len(self.lines),
                ramp=self.ramp,
                start=1 - efficiency * torch.exp(-self.delay / t1),
            )
        pulse = torch.arange(len(self.lines), dtype=torch.float64)
        return saturated(
            t1[..., None],
            torch.ones((), dtype=torch.float64),
            flip=self.flip * strength[..., None],
            repetition=self.spacing,
            delay=self.delay,
            pulse=pulse,
            efficiency=efficiency,
        )

    def density(self, t1: torch.Tensor, strength: torch.Tensor, ready: torch.Tensor) -> torch.Tensor:
        """Of each pulse without saturation, float64 [..., pulse].

        ``ready``: longitudinal magnetisation before the first pulse, 1 in equilibrium.
        """
        flip = (self.flip_density * strength)[..., None]
        e1 = torch.exp(-self.spacing / t1)[..., None]
        each = e1 * torch.cos(flip)
        steady = (1 - e1) / (1 - each)
        pulse = torch.arange(len(self.lines), dtype=torch.float64)
        return torch.sin(flip) * (steady + (ready[..., None] - steady) * each**pulse)

    def left(self, t1: torch.Tensor, strength: torch.Tensor, ready: torch.Tensor) -> torch.Tensor:
        """Longitudinal magnetisation at the end of a train without saturation."""
        flip = self.flip_density * strength
        e1 = torch.exp(-self.spacing / t1)
        each = e1 * torch.cos(flip)
        steady = (1 - e1) / (1 - each)
        return steady + (ready - steady) * each ** len(self.lines)


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A dual-sequence first pass: in each heartbeat one arterial image, then the slices."""

    slices: int = 3
    beats: int = 60
    """Heartbeats with saturation."""

    density: int = 3
    """Heartbeats with proton-density images, before them."""

    fov: tuple[float, float] = (0.36, 0.27)
    """[m], (x, y)."""

    thickness: float = 0.008
    muscle: Train
    artery: Train
    begin: float = 0.010
    """From the R wave to the first saturation [s]."""

    pause: float = 0.004
    """Between images [s]."""

    field: float = 3.0
    """[T]."""

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no scan."""
        if self.field not in RELAXIVITY:
            raise SimulationError(
                f"perfusion at {self.field} T, expected one of {', '.join(map(str, RELAXIVITY))}"
            )
        if self.slices not in (1, 3) or self.beats < 1 or self.density < 0:
            raise SimulationError(
                f"{self.slices} slices, {self.beats} beats and {self.density} proton-density beats, expected"
                " 1 or 3, at least 1 and at least 0"
            )

    @property
    def pixel(self) -> float:
        """Side of a pixel of the slices [m]."""
        return self.fov[0] / self.muscle.matrix[0]

    @property
    def busy(self) -> float:
        """How much of a heartbeat the images take, from the R wave [s]."""
        return self.since(self.slices - 1) + self.muscle.duration

    def since(self, index: int) -> float:
        """From the R wave to the saturation of a slice; -1 is the arterial image [s]."""
        if index < 0:
            return self.begin
        before = self.begin + self.artery.duration + self.pause
        return before + index * (self.muscle.duration + self.pause)

    def middle(self, index: int) -> float:
        """From the R wave to the centre of k-space [s]."""
        train = self.artery if index < 0 else self.muscle
        return self.since(index) + train.first + train.center * train.spacing


def standard(
    matrix: tuple[int, int] = (192, 144),
    acceleration: int = 3,
    slices: int = 3,
    beats: int = 60,
    density: int = 3,
    field: float = 3.0,
    readout: Literal["flash", "bssfp"] = "flash",
) -> Sequence:
    """The usual protocol: FLASH or bSSFP in the slices, FLASH with two echoes for the arterial input.

    Raises SimulationError where a matrix is no multiple of the acceleration.
    """
    if matrix[1] % acceleration:
        raise SimulationError(f"{matrix[1]} lines are no multiple of the acceleration {acceleration}")
    flash = readout == "flash"
    muscle = Train(
        matrix=matrix,
        flip=math.radians(14 if flash else 50),
        flip_density=math.radians(5),
        spacing=2.2e-3 if flash else 2.6e-3,
        delay=0.030 if flash else 0.017,
        echoes=(1.04e-3 if flash else 1.3e-3,),
        acceleration=acceleration,
        reference_lines=min(24, matrix[1]),
        ramp=None if flash else 3,
    )
    artery = Train(
        matrix=(64, 48),
        flip=math.radians(8),
        flip_density=math.radians(8),
        spacing=2.12e-3,
        delay=0.005,
        echoes=(0.76e-3, 1.76e-3),
        acceleration=2,
        reference_lines=16,
    )
    fov = (0.36, 0.36 * matrix[1] / matrix[0])
    return Sequence(
        slices=slices, beats=beats, density=density, fov=fov, muscle=muscle, artery=artery, field=field
    )
