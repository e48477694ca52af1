"""The noise of a scan, measured: what its noise readouts leave for whitening, here or in a later scan."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Noise, NoiseMeasurement, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.scan import Scan

MOST_BYTES = 256 << 20
"""The longest noise scan that is kept for its one reduction."""

Line = tuple[NDArray[np.complex64], np.float64]
"""A readout [channel, sample], and its gain."""


@dataclass(frozen=True, kw_only=True)
class MeasureNoise(Gadget):
    """Reduce a noise scan to one measurement, which the server keeps for the scans that depend on it.

    It leaves at the scan's end, made of all noise readouts (consumed); a scan that was cut leaves none.
    """

    def process(self, stream: Iterable[Noise], scan: Scan) -> Iterator[NoiseMeasurement | Text]:
        """Give the one measurement, or a warning when the scan has no noise readouts.

        Raises DataError for what ``measure`` refuses.
        """
        noise: list[Noise] = []
        for item in stream:
            collect(noise, item)
        if noise:
            yield measure(noise, scan)
        else:
            yield Text(text="the scan has no noise readouts: no noise was measured", level="warning")


def collect(noise: list[Noise], item: Noise) -> None:
    """Add readouts to those of the noise scan.

    Raises DataError when they are more than a noise scan can be.
    """
    noise.append(item)
    size = sum(kept.data.nbytes for kept in noise)
    if size > MOST_BYTES:
        raise DataError(f"the noise scan has {size} bytes, expected at most {MOST_BYTES}")


def measure(noise: Sequence[Noise], scan: Scan) -> NoiseMeasurement:
    """What noise readouts say about the channels, from all of their samples at once, in double precision.

    The covariance is the mean of d d^H over the n samples, about zero; data whitened by it then have sd
    sqrt(n / (n - p)) for p channels. Raises DataError for fewer samples than channels and for readouts of
    differing channel counts.
    """
    lines, sample_time = _gather(noise)
    channels, count = len(lines[0][0]), sum(line.shape[1] for line, _ in lines)
    if count < channels:
        raise DataError(f"noise scan has n = {count} samples for p = {channels} channels, expected n >= p")
    with np.errstate(invalid="ignore", over="ignore"):
        covariance, variance = _moments(lines, count)
    broken = ~np.isfinite(variance)
    variance[broken], covariance[broken], covariance[:, broken] = 0, 0, 0
    return NoiseMeasurement(
        covariance=covariance,
        variance=variance,
        samples=count,
        sample_time=sample_time,
        bandwidth=scan.noise_bandwidth,
        coil_labels=scan.coil_labels,
    )


def _moments(lines: Sequence[Line], count: int) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Mean of d d^H [channel, channel], and variance of each channel about its mean.

    Readout by readout, in their order: they fit the cache, and all of them in double precision do not.
    """
    channels = len(lines[0][0])
    covariance = np.zeros((channels, channels), np.complex128)
    variance = np.zeros(channels)
    mean = sum(line.sum(1, dtype=np.complex128) * gain for line, gain in lines)[:, None] / count
    for line, gain in lines:
        samples = line * gain
        covariance += samples @ samples.conj().T
        variance += np.square((samples - mean).view(np.float64)).sum(1)
    return covariance / count, variance / count


def _gather(noise: Sequence[Noise]) -> tuple[list[Line], float]:
    """All readouts, each with what brings it to the noise level of the first one's sample time [us]."""
    counts = sorted({item.data.shape[1] for item in noise})
    if len(counts) > 1:
        raise DataError(f"noise readouts have {' and '.join(map(str, counts))} channels, expected one number")
    times = np.concatenate([item.head["sample_time_us"] for item in noise]).astype(np.float64)
    if not np.all((times > 0) & np.isfinite(times)):
        times = np.zeros_like(times)
    gains = np.sqrt(times / times[0]) if times[0] > 0 else np.ones_like(times)
    lines = (line for item in noise for line in item.data)
    return list(zip(lines, gains, strict=True)), float(times[0])


def select(noise: NoiseMeasurement, labels: Sequence[str]) -> NoiseMeasurement:
    """The noise of the coils called ``labels``, in their order.

    Raises DataError that names the coils which the measurement does not have.
    """
    at = {label: index for index, label in enumerate(noise.coil_labels)}
    if lacking := [label for label in labels if label not in at]:
        raise DataError(
            f"the noise measurement {noise.origin} has no coil {', '.join(lacking)} of the scan; "
            f"it has {', '.join(noise.coil_labels)}"
        )
    order = [at[label] for label in labels]
    return NoiseMeasurement(
        covariance=noise.covariance[np.ix_(order, order)],
        variance=noise.variance[order],
        samples=noise.samples,
        sample_time=noise.sample_time,
        bandwidth=noise.bandwidth,
        coil_labels=tuple(labels),
        origin=noise.origin,
    )


def distinguishes(labels: Sequence[str], channels: int) -> bool:
    """Whether coil labels tell the channels apart: one for each, none twice."""
    return 0 < channels == len(labels) == len(set(labels)) and all(labels)
