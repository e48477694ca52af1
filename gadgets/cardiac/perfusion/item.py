"""What the steps of the perfusion chain hand on: a first pass, and what was found in it so far."""

import functools
from dataclasses import dataclass, field

import torch

from gadgets.data import Heads, Notes
from models.cardiac.sectors import Level
from models.perfusion.arterial import Arterial
from models.perfusion.flow import Flow
from models.perfusion.motion import Moved
from models.perfusion.muscle import Heart
from models.perfusion.pools import Pools
from models.perfusion.protocol import Protocol
from models.perfusion.shading import evened


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The frames of one slice (or of the arterial images), in the order of their repetitions."""

    signal: torch.Tensor
    """In phase with the proton-density image, float32 [echo, frame, y, x]."""

    density: torch.Tensor
    """Proton-density frames, magnitude, float32 [echo, frame, y, x]; none: [echo, 0, y, x]."""

    times: torch.Tensor
    """Of the centre of k-space [s], float64 [frame]."""

    pixel: tuple[float, float]
    """Size (y, x) [m]."""

    pulse: int
    """Pulses before the centre of k-space."""

    head: Heads
    """Of the first frame."""

    meta: Notes = field(default_factory=dict)

    @property
    def side(self) -> float:
        """Of a square pixel of the same area [m]."""
        return float((self.pixel[0] * self.pixel[1]) ** 0.5)

    @functools.cached_property
    def even(self) -> torch.Tensor:
        """The first echo without the coils' shading, [frame, y, x]: to find and to follow things in."""
        return evened(self.signal[0], self.density[0], self.side)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """One slice of muscle."""

    level: Level
    frames: Frames
    """Once ``moved`` is there: registered, in the box about the heart, without those beyond correction."""

    moved: Moved | None = None
    """Of all frames that were acquired."""

    heart: Heart | None = None
    segments: torch.Tensor | None = None
    """Of the muscle, uint8 [y, x]."""

    inner: torch.Tensor | None = None
    """The endocardial half of the muscle, bool [y, x]."""

    gadolinium: torch.Tensor | None = None
    """Concentration over the baseline [mM], [frame, y, x]."""

    pixels: Flow | None = None
    """Of each pixel of the muscle, in the order of its mask."""

    sectors: dict[int, Flow] = field(default_factory=dict)
    """By segment, of its mean curve; each value [1]."""

    halves: dict[tuple[int, str], Flow] = field(default_factory=dict)
    """By segment and ``endo`` or ``epi``."""

    uneven: dict[int, float] = field(default_factory=dict)
    """By segment, how unlike its pixels are, see ``doubts.unevenness``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstPass:
    """A scan's first pass."""

    slices: tuple[Slice, ...]
    """From base to apex."""

    arterial_frames: Frames | None
    protocol: Protocol | None
    haematocrit: float
    haematocrit_from: str
    """``header``, ``chain`` or ``assumed``."""

    state: str
    """``stress``, ``rest`` or nothing."""

    pools: Pools | None = None
    """In the arterial images."""

    arterial: Arterial | None = None
    model: str = ""
    dispersion: float = 0.0
    """Of the input on its way to the muscle, as it was assumed [s]."""

    conversion: str = ""
    """What the look-up tables of blood and of muscle were made of, as ``closed/bloch``."""

    refusals: tuple[str, ...] = ()
    """Why no flow can be given."""

    flags: tuple[str, ...] = ()
    """What a reader has to know of the flow that is given."""
