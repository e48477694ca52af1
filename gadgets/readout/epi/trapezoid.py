"""Where the samples of an echo under a trapezoidal gradient lie in k-space."""

from dataclasses import dataclass

import torch

from gadgets.errors import DataError
from gadgets.scan import Encoding


@dataclass(frozen=True, kw_only=True)
class Trapezoid:
    """The read gradient under one echo; times in one unit, as the header gives them [us]."""

    up: float
    flat: float
    down: float
    delay: float
    """From the gradient's start to the first sample's."""

    dwell: float
    samples: int

    def positions(self, width: float) -> torch.Tensor:
        """k at the middle of each sample, float64 [sample]: 0 at half the gradient's area, ``width`` in all.

        ``width`` is what the whole of the sampling covers: the encoded matrix.
        """
        edges = self._area(self.delay + self.dwell * torch.arange(self.samples + 1, dtype=torch.float64))
        times = self.delay + self.dwell * (torch.arange(self.samples, dtype=torch.float64) + 0.5)
        whole = float(edges[-1] - edges[0])
        half = (0.5 * self.up + self.flat + 0.5 * self.down) / 2
        return (self._area(times) - half) * (width / whole)

    def _area(self, times: torch.Tensor) -> torch.Tensor:
        """Of the gradient until some times, with a flat top of 1."""
        rise = times.clamp(0, self.up) ** 2 / (2 * self.up) if self.up > 0 else torch.zeros_like(times)
        top = (times - self.up).clamp(0, self.flat)
        late = (times - self.up - self.flat).clamp(0, self.down)
        fall = late - late**2 / (2 * self.down) if self.down > 0 else torch.zeros_like(times)
        return rise + top + fall


def trapezoid(encoding: Encoding, samples: int) -> Trapezoid | None:
    """The gradient that the header describes for readouts of so many samples; None: it describes none.

    Raises DataError for times that make no echo.
    """
    if encoding.description != "ConventionalEPI":
        return None
    names = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "dwellTime")
    up, flat, down, delay, dwell = (_time(encoding, name) for name in names)
    whole = up + flat + down
    if not (whole > 0 and dwell > 0 and flat >= 0):
        raise DataError(
            f"the EPI gradient has ramps of {up:g} and {down:g}, a top of {flat:g} and samples of"
            f" {dwell:g} us, expected times above 0"
        )
    read = dwell * samples
    if read > whole * 1.02:
        raise DataError(f"{samples} samples of {dwell:g} us take longer than the gradient of {whole:g} us")
    if delay + read > whole or delay <= 0:
        delay = max(0.0, (whole - read) / 2)
    return Trapezoid(up=up, flat=flat, down=down, delay=delay, dwell=dwell, samples=samples)


def _time(encoding: Encoding, name: str) -> float:
    value = encoding.trajectory_parameters.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0
