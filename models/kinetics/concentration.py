"""From a saturation-recovery signal to the concentration of contrast agent, by look-up table.

Source: Kellman et al., JCMR 19 (2017) 43. The signal is divided by that of a proton-density frame of the same
sequence without saturation, so that coils and proton density cancel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.kinetics.bloch import balanced, flash
from models.simulation.signal import saturated

RELAXIVITY = {1.5: 5.565, 3.0: 4.9188}
"""Of gadobutrol in blood, r1 [1 / (mM s)], by field strength [T] (open flow-mapping code of the NIH)."""

RELAXIVITY_T2 = {1.5: 5.78, 3.0: 5.9133}
"""The same, r2."""

Ratio = Callable[[torch.Tensor], torch.Tensor]
"""From T1 [s] to the signal over the proton-density signal."""


@dataclass(frozen=True, kw_only=True)
class Readout:
    """How the signal at the centre of k-space comes about. All has to be known: no number has a default."""

    flip: float
    """Of the saturation-recovery frames [rad]."""

    flip_density: float
    """Of the proton-density frames [rad]."""

    repetition: float
    """Between pulses [s]."""

    delay: float
    """From the saturation to the first pulse [s]."""

    pulse: int
    """Which pulse reads the centre of k-space; 0 is the first, behind those of a run-up."""

    ramp: int | None = None
    """Run-up pulses of a balanced train (``bloch.balanced``); None: the train is spoiled. Proton density is
    spoiled in any case."""

    def ratio(self, t1: torch.Tensor, unenhanced: float, efficiency: float = 1.0) -> torch.Tensor:
        """Signal over proton-density signal, which is that of the unenhanced T1 [s]; float64.

        ``efficiency`` of the saturation: 1 leaves no magnetisation. Raises ValueError for a balanced train.
        """
        if self.ramp is not None:
            raise ValueError("a balanced train after saturation has no closed form")
        pulse, one = torch.tensor(float(self.pulse)), torch.ones(())
        t1 = t1.to(torch.float64)
        bright = saturated(
            t1,
            one,
            flip=self.flip,
            repetition=self.repetition,
            delay=self.delay,
            pulse=pulse,
            efficiency=efficiency,
        )
        dark = saturated(
            torch.tensor(unenhanced, dtype=torch.float64),
            one,
            flip=self.flip_density,
            repetition=self.repetition,
            delay=0.0,
            pulse=pulse,
            efficiency=0.0,
        )
        return bright / dark

    def bloch_ratio(
        self,
        t1: torch.Tensor,
        t2: torch.Tensor,
        unenhanced: tuple[float, float],
        efficiency: float = 1.0,
    ) -> torch.Tensor:
        """The same by the Bloch equations, which need T2 [s] too; ``unenhanced`` is (T1, T2)."""
        one = torch.ones(1, dtype=torch.float64)
        flip, spacing, pulses = self.flip, self.repetition, self.pulse + 1
        start = 1 - efficiency * torch.exp(-self.delay / t1)
        bright = (
            flash(t1, t2, flip=flip, repetition=spacing, pulses=pulses, start=start)
            if self.ramp is None
            else balanced(t1, t2, flip=flip, repetition=spacing, pulses=pulses, ramp=self.ramp, start=start)[
                ..., -1
            ]
        )
        dark = flash(
            one * unenhanced[0],
            one * unenhanced[1],
            flip=self.flip_density,
            repetition=self.repetition,
            pulses=self.pulse + 1,
            start=one,
        )
        return bright / dark


def enhanced(unenhanced: float, concentration: torch.Tensor, relaxivity: float) -> torch.Tensor:
    """T1 [s] of tissue or blood that holds a concentration [mM]: 1 / T1 = 1 / T1_0 + r1 C."""
    return 1 / (1 / unenhanced + relaxivity * concentration.to(torch.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class LookUp:
    """A monotone table of signals, and its inversion."""

    concentration: torch.Tensor
    """[mM], ascending, float64."""

    signal: torch.Tensor
    """The same length, ascending."""

    def __call__(self, signal: torch.Tensor) -> torch.Tensor:
        """Concentrations [mM], float64; beyond the table those of its ends, see ``beyond``."""
        place = torch.searchsorted(self.signal, signal.to(torch.float64).contiguous()).clamp(
            1, len(self.signal) - 1
        )
        low, high = self.signal[place - 1], self.signal[place]
        part = ((signal - low) / (high - low)).clamp(0, 1)
        return torch.lerp(self.concentration[place - 1], self.concentration[place], part)

    def beyond(self, signal: torch.Tensor) -> torch.Tensor:
        """Where the signal is higher than the table can explain: saturated, not to be quantified; bool."""
        return signal > self.signal[-1]


def look_up(
    ratio: Callable[[torch.Tensor], torch.Tensor],
    unenhanced: float,
    relaxivity: float,
    most: float = 10.0,
    step: float = 0.01,
) -> LookUp:
    """The table of ``ratio`` (of T1 [s]) for concentrations from ``-step`` to ``most`` [mM].

    It ends where the signal stops growing. It begins below 0, so that the noise of a baseline has mean 0.
    """
    first = -min(0.5, 0.5 / (unenhanced * relaxivity))
    count = int((most - first) / step) + 1
    concentration = first + step * torch.arange(count, dtype=torch.float64)
    signal = ratio(enhanced(unenhanced, concentration, relaxivity))
    grows = torch.nonzero(signal.diff() <= 0)[:, 0]
    end = int(grows[0]) + 1 if len(grows) else count
    return LookUp(concentration=concentration[:end], signal=signal[:end])


def spgr(
    signal: torch.Tensor, *, flip: float, repetition: float, t1: float, relaxivity: float, baseline: slice
) -> torch.Tensor:
    """Concentration [mM] from a spoiled gradient echo in its steady state, along the last axis.

    ``baseline`` are the samples before the agent comes. Source: Schabel and Parker, Phys Med Biol 53 (2008)
    2345.
    """
    cosine = torch.cos(torch.tensor(flip, dtype=torch.float64))
    e0 = torch.exp(torch.tensor(-repetition / t1, dtype=torch.float64))
    size = signal[..., baseline].mean(-1, keepdim=True) * (1 - cosine * e0) / (1 - e0)
    e1 = (size - signal) / (size - signal * cosine)
    return (-torch.log(e1) / repetition - 1 / t1) / relaxivity
