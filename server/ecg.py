"""A simulated electrocardiogram."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Waveform
from gadgets.head import WAVEFORM_HEAD
from server.acquisition import DAY, TICK

CHUNK = 400
"""Samples of a stretch; one each tick."""


def electrocardiogram(
    waves: NDArray[np.float64], end: float, begin: float, measurement: int
) -> Iterator[Waveform]:
    """One lead at 400 Hz about 2048 and, as the last channel, the trigger at each R wave (Siemens' id 0).

    ``waves`` and ``end`` [s] from the scan's first excitation, which is at ``begin`` [s since midnight].
    """
    length = int(end / TICK) + 1
    time = np.arange(length) * TICK
    signal, trigger = np.zeros(length), np.zeros(length, np.uint32)
    for beat in np.unique(np.round(waves / TICK).astype(np.int64)):
        signal += _beat(time - beat * TICK)
        if 0 <= beat < length:
            trigger[beat] = 1
    lead = np.clip(2048 + 900 * signal, 0, 4095).astype(np.uint32)
    for start in range(0, length, CHUNK):
        data = np.stack([lead[start : start + CHUNK], trigger[start : start + CHUNK]])
        head = np.zeros((), WAVEFORM_HEAD)
        head["version"], head["measurement_uid"] = 1, measurement
        head["time_stamp"] = (int(begin / TICK) + start) % DAY
        head["channels"], head["number_of_samples"] = data.shape
        head["sample_time_us"] = 1e6 * TICK
        yield Waveform(head=head, data=data)


def _beat(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """P, Q, R, S and T waves as bells about an R wave at 0."""
    waves = (
        (-0.18, 0.025, 0.15),
        (-0.025, 0.008, -0.1),
        (0, 0.01, 1.0),
        (0.025, 0.01, -0.2),
        (0.28, 0.05, 0.3),
    )
    total: NDArray[np.float64] = np.sum(
        [size * np.exp(-(((time - at) / width) ** 2) / 2) for at, width, size in waves], axis=0
    )
    return total
