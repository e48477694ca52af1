"""The whitening matrix: what a noise measurement makes of it, and data freed of their noise's correlation."""

import math
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import CoilMeasurement, Heads, NoiseMeasurement, Notes, Readouts
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

    source: str = "the noise scan"
    """What the matrix was made of, for people to read."""

    scaled: dict[float, torch.Tensor] = field(default_factory=dict)
    """The matrix for each ratio of sample times that was met, complex64."""

    notes: Notes = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def fits(self, item: Readouts) -> bool:
        """Whether the noise has as many channels as these readouts."""
        return self.matrix is None or self.matrix.shape[0] == item.data.shape[1]

    def apply(self, item: R, then: torch.Tensor | None = None) -> R:
        """The readouts whitened, each for its own sample time.

        ``then`` combines the whitened channels, complex64 [virtual channel, channel]: both are one product.

        Raises DataError when the noise has another number of channels.
        """
        self.check(item)
        if self.matrix is None:
            data = item.data if then is None else product(then, torch.from_numpy(item.data))
            return replace(item, data=data, notes={**item.notes, **self.notes})
        ratios = self._ratios(item.head)
        least = float(ratios.min())
        data = self._whiten(item.data, least, then)
        for ratio in np.unique(ratios[ratios != least]):
            data[ratios == ratio] = self._whiten(item.data[ratios == ratio], float(ratio), then)
        return replace(item, data=data, notes={**item.notes, **self.notes})

    def check(self, item: Readouts) -> None:
        """Raise DataError when the noise has another number of channels than these readouts."""
        if self.matrix is not None and not self.fits(item):
            raise DataError(
                f"readouts have {item.data.shape[1]} channels, but {self.source} has {self.matrix.shape[0]}"
            )

    def whiten_coils(self, coils: CoilMeasurement) -> CoilMeasurement | None:
        """An earlier scan's calibration for whitened channels; None when it has another number of them."""
        if self.matrix is None:
            return coils
        if coils.data.shape[1] != self.matrix.shape[0]:
            return None
        live = torch.from_numpy(coils.data)[:, list(self.live)].to(torch.complex128)
        data = torch.einsum("cl,slzyx->sczyx", self.matrix, live).to(torch.complex64)
        return replace(coils, data=data.numpy())

    def _ratios(self, head: Heads) -> NDArray[np.float64]:
        """Sample time of each readout over that of the noise; 1 where either is not stated."""
        times = head["sample_time_us"].astype(np.float64)
        return np.where((times > 0) & (self.sample_time > 0), times / (self.sample_time or 1.0), 1.0)

    def _whiten(
        self, data: NDArray[np.complex64], ratio: float, then: torch.Tensor | None
    ) -> NDArray[np.complex64]:
        assert self.matrix is not None
        samples = torch.from_numpy(data)
        if len(self.live) < data.shape[1]:
            samples = samples[:, list(self.live)]
        if then is not None:
            return product((then.to(self.matrix.dtype) @ self.matrix) * math.sqrt(ratio), samples)
        if ratio not in self.scaled:
            self.scaled[ratio] = (self.matrix * math.sqrt(ratio)).to(torch.complex64)
        return product(self.scaled[ratio], samples)


def product(matrix: torch.Tensor, samples: torch.Tensor) -> NDArray[np.complex64]:
    """A matrix [channel made, channel] times each readout, [readout, channel, sample]."""
    count = len(samples)
    made: NDArray[np.complex64] = torch.bmm(
        matrix.to(samples.dtype).expand(count, *matrix.shape), samples
    ).numpy()
    return made


def whiten(noise: NoiseMeasurement, bandwidth: float) -> Whitener:
    """The whitener that a noise measurement gives; ``bandwidth`` is relative to 1 / dwell time.

    Raises DataError when no channel has noise, and for channels that are copies of others.
    """
    channels = len(noise.variance)
    dead = silent(noise.variance)
    live = [channel for channel in range(channels) if channel not in dead]
    if not live:
        raise DataError(
            f"none of the {channels} channels has noise: the noise scan is constant or not finite"
        )
    matrix = np.zeros((channels, len(live)), np.complex128)
    matrix[live] = math.sqrt(2 * bandwidth) * _inverse_factor(noise.covariance[np.ix_(live, live)])
    labels = noise.coil_labels
    names = [labels[channel] if channel < len(labels) else str(channel) for channel in dead]
    return Whitener(
        matrix=torch.from_numpy(matrix),
        live=tuple(live),
        sample_time=noise.sample_time,
        source=f"the noise measurement {noise.origin}" if noise.origin else "the noise scan",
        notes=_notes(noise, names),
        warnings=tuple(
            f"channel {name} is dead (its noise is constant or not finite): dropped" for name in names
        ),
    )


def _notes(noise: NoiseMeasurement, dead: list[str]) -> Notes:
    notes: dict[str, str | int | list[str]] = {
        "ScansideNoise": "dependency" if noise.origin else "scan",
        "ScansideNoiseSamples": noise.samples,
        "ScansideNoiseChannels": len(noise.variance),
    }
    if noise.origin:
        notes["ScansideNoiseMeasurement"] = noise.origin
    if dead:
        notes["ScansideNoiseDeadChannels"] = dead
    if noise.sample_time <= 0:
        notes["ScansideNoiseSampleTime"] = "unknown"
    return notes


def silent(variance: NDArray[np.float64]) -> list[int]:
    """Channels whose variance about their mean is next to nothing."""
    typical = float(np.median(variance[variance > 0])) if np.any(variance > 0) else np.inf
    return [int(channel) for channel in np.flatnonzero(~(variance > DEAD * typical))]


def _inverse_factor(covariance: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Inverse of the lower Cholesky factor of the covariance, [channel, channel]."""
    sd = np.sqrt(np.diagonal(covariance).real)
    correlation = covariance / (sd[:, None] * sd)
    try:
        factor = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        raise DataError("the noise covariance is singular: some channels are copies of others") from None
    if float(np.diagonal(factor).real.min()) < COPY:
        raise DataError("the noise covariance is singular: some channels are copies of others")
    inverse: NDArray[np.complex128] = (np.linalg.inv(factor) / sd).astype(np.complex128, copy=False)
    return inverse
