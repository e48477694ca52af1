"""The whitening matrix: what noise readouts say about the channels, and data freed of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Heads, Noise, Notes, Readouts
from gadgets.errors import DataError

DEAD = 1e-8
"""A channel whose noise variance is below this fraction of the median channel's is not connected."""

COPY = 1e-5
"""A channel whose noise is predicted by other channels to this fraction of its sd is a copy of them."""

R = TypeVar("R", bound=Readouts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Whitener:
    """What turns data into data with white noise; without a matrix it leaves them as they are."""

    matrix: torch.Tensor | None = None
    """complex128, [channel, live channel]; rows of dead channels are 0."""

    live: tuple[int, ...] = ()
    """The channels that are not dead."""

    sample_time: float = 0.0
    """Of the noise readouts [us]; 0 when their headers do not state it."""

    notes: Notes = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def fits(self, item: Readouts) -> bool:
        """Whether the noise has as many channels as these readouts."""
        return self.matrix is None or self.matrix.shape[0] == item.data.shape[1]

    def apply(self, item: R) -> R:
        """The readouts whitened, each for its own sample time.

        Raises DataError when the noise has another number of channels.
        """
        if self.matrix is None:
            return replace(item, notes={**item.notes, **self.notes})
        if not self.fits(item):
            raise DataError(
                f"readouts have {item.data.shape[1]} channels, but the noise scan has {self.matrix.shape[0]}"
            )
        ratios = self._ratios(item.head)
        parts = {ratio: self._whiten(item.data[ratios == ratio], ratio) for ratio in np.unique(ratios)[1:]}
        data = self._whiten(item.data, float(ratios.min()))
        for ratio, part in parts.items():
            data[ratios == ratio] = part
        return replace(item, data=data, notes={**item.notes, **self.notes})

    def _ratios(self, head: Heads) -> NDArray[np.float64]:
        """Sample time of each readout over that of the noise; 1 where either is not stated."""
        times = head["sample_time_us"].astype(np.float64)
        return np.where((times > 0) & (self.sample_time > 0), times / (self.sample_time or 1.0), 1.0)

    def _whiten(self, data: NDArray[np.complex64], ratio: float) -> NDArray[np.complex64]:
        assert self.matrix is not None
        samples = torch.from_numpy(data)
        if len(self.live) < data.shape[1]:
            samples = samples[:, list(self.live)]
        whitened: NDArray[np.complex64] = torch.matmul(
            (self.matrix * math.sqrt(ratio)).to(torch.complex64), samples
        ).numpy()
        return whitened


def measure(noise: Sequence[Noise], bandwidth: float, labels: Sequence[str] = ()) -> Whitener:
    """The whitener that noise readouts give, from all of their samples at once.

    The covariance is the mean of d d^H over the n samples, about zero, in double precision; whitened data
    then have sd sqrt(n / (n - p)) for p channels. Raises DataError for fewer samples than channels, for
    readouts of differing channel counts and for channels that are copies of others.
    """
    samples, sample_time = _gather(noise)
    channels, count = samples.shape
    if count < channels:
        raise DataError(f"noise scan has n = {count} samples for p = {channels} channels, expected n >= p")
    dead = _dead(samples)
    live = [channel for channel in range(channels) if channel not in dead]
    if not live:
        raise DataError(
            f"none of the {channels} channels has noise: the noise scan is constant or not finite"
        )
    matrix = np.zeros((channels, len(live)), np.complex128)
    matrix[live] = math.sqrt(2 * bandwidth) * _inverse_factor(samples[live])
    names = [labels[channel] if channel < len(labels) else str(channel) for channel in dead]
    return Whitener(
        matrix=torch.from_numpy(matrix),
        live=tuple(live),
        sample_time=sample_time,
        notes=_notes(count, channels, names, timed=sample_time > 0),
        warnings=tuple(
            f"channel {name} is dead (its noise is constant or not finite): dropped" for name in names
        ),
    )


def _notes(count: int, channels: int, dead: list[str], *, timed: bool) -> Notes:
    notes: dict[str, str | int | list[str]] = {
        "ScansideNoise": "scan",
        "ScansideNoiseSamples": count,
        "ScansideNoiseChannels": channels,
    }
    if dead:
        notes["ScansideNoiseDeadChannels"] = dead
    if not timed:
        notes["ScansideNoiseSampleTime"] = "unknown"
    return notes


def _gather(noise: Sequence[Noise]) -> tuple[NDArray[np.complex128], float]:
    """All samples, [channel, sample], at the noise level of the first readout's sample time [us]."""
    counts = sorted({item.data.shape[1] for item in noise})
    if len(counts) > 1:
        raise DataError(f"noise readouts have {' and '.join(map(str, counts))} channels, expected one number")
    times = np.concatenate([item.head["sample_time_us"] for item in noise]).astype(np.float64)
    if np.any(times <= 0):
        times = np.zeros_like(times)
    gains = np.sqrt(times / times[0]) if times[0] > 0 else np.ones_like(times)
    gain = iter(np.split(gains, np.cumsum([len(item.head) for item in noise])[:-1]))
    lines = [item.data * next(gain)[:, None, None] for item in noise]
    return np.concatenate([np.moveaxis(line, 1, 0).reshape(counts[0], -1) for line in lines], axis=1), float(
        times[0]
    )


def _dead(samples: NDArray[np.complex128]) -> list[int]:
    """Channels whose variance about their mean is not finite, or next to nothing."""
    with np.errstate(invalid="ignore", over="ignore"):
        variance = samples.var(axis=1)
    finite = variance[np.isfinite(variance)]
    typical = float(np.median(finite[finite > 0])) if np.any(finite > 0) else np.inf
    return [
        int(channel) for channel in np.flatnonzero(~(np.isfinite(variance) & (variance > DEAD * typical)))
    ]


def _inverse_factor(samples: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Inverse of the lower Cholesky factor of the covariance, [channel, channel]."""
    covariance = samples @ samples.conj().T / samples.shape[1]
    sd = np.sqrt(np.diagonal(covariance).real)
    correlation = covariance / (sd[:, None] * sd)
    try:
        factor = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        raise DataError("the noise covariance is singular: some channels are copies of others") from None
    if float(np.diagonal(factor).real.min()) < COPY:
        raise DataError("the noise covariance is singular: some channels are copies of others")
    inverse: NDArray[np.complex128] = np.linalg.inv(factor) / sd
    return inverse
