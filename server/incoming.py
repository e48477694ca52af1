"""What comes in, as small pictures for whoever watches: lines of k-space so far, noise, heartbeat."""

import base64
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Block, Heads, Noise, NoiseMeasurement, Waveform
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.readout.measurement import measure
from gadgets.readout.whitening import silent
from gadgets.scan import Scan
from server.control.events import EDGE

NOISE_BYTES = 16 << 20
"""Of noise readouts that are looked at."""

SECONDS = 8.0
"""How much of a physiological signal is shown."""

CHANNELS = 4
"""Of a physiological signal that are shown."""

PACKETS = SAMPLES = 8192
"""Of a physiological signal that are kept, at most: a peer chooses how fast it says it samples."""

LINES, ROWS = 2048, 512
"""Lines, and partitions or slices, that are counted."""

KINDS = int(Flag.PARALLEL_CALIBRATION | Flag.PARALLEL_CALIBRATION_AND_IMAGING)
"""Flags that tell reference lines from those that are of the image, too."""


class Incoming:
    """Looks at what is handed to a chain and changes nothing of it.

    ``take`` is called where data come in and does next to nothing; ``views`` by whoever reports.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        _, lines, partitions = scan.encodings[0].encoded.matrix if scan.encodings else (1, 1, 1)
        slices = scan.encodings[0].limit("slice") if scan.encodings else None
        self._row = "kspace_encode_step_2" if partitions > 1 else "slice"
        rows = partitions if partitions > 1 else slices.size if slices else 1
        self._fill = np.zeros((min(max(rows, 1), ROWS), min(max(lines, 1), LINES)), np.uint32)
        self._repetition = -1
        self._noise: list[Noise] = []
        self._measured: NoiseMeasurement | None = None
        self._wave: deque[NDArray[np.uint32]] = deque(maxlen=PACKETS)
        self._samples = 0
        self._kind, self._step = -1, 0.0
        self._new: set[str] = set()

    def take(self, item: object) -> None:
        """Note an item on its way in."""
        if isinstance(item, Block):
            self._count(item.head)
        elif isinstance(item, Noise):
            if sum(each.data.nbytes for each in self._noise) < NOISE_BYTES:
                self._noise.append(item)
                self._new.add("noise")
        elif isinstance(item, NoiseMeasurement):
            self._measured = item
            self._new.add("noise")
        elif isinstance(item, Waveform):
            self._keep(item)

    def views(self) -> Iterator[dict[str, Any]]:
        """The fields of a ``view`` event for each picture that is another than at the last call."""
        new, self._new = self._new, set()
        makers = {"kspace": self._kspace, "noise": self._coils, "trace": self._trace}
        for name in sorted(new):
            if found := makers[name]():
                yield {"name": name, **found}

    def _count(self, head: Heads) -> None:
        """Count imaging lines of the newest repetition by line, and by partition or slice."""
        newest = int(head["idx"]["repetition"].max())
        if newest > self._repetition:
            self._repetition = newest
            self._fill = np.zeros_like(self._fill)
        k1, row = head["idx"]["kspace_encode_step_1"], head["idx"][self._row]
        rows, lines = self._fill.shape
        here = (head["idx"]["repetition"] == newest) & (head["encoding_space_ref"] == 0)
        here &= (head["flags"] & KINDS) != int(Flag.PARALLEL_CALIBRATION)
        here &= (k1 < lines) & (row < rows)
        np.add.at(self._fill, (row[here], k1[here]), 1)
        self._new.add("kspace")

    def _keep(self, item: Waveform) -> None:
        """Add to the signal of the least kind (0: ECG, 1: pulse, 2: respiration), of equal channels."""
        kind, step = int(item.head["waveform_id"]), 1e-6 * float(item.head["sample_time_us"])
        if (self._wave and kind > self._kind) or not 0 < step < 1 or not item.data.size:
            return
        rows = item.data[:CHANNELS, -SAMPLES:]
        if kind != self._kind or step != self._step or len(rows) != len(self._wave[-1]):
            self._wave.clear()
            self._samples = 0
        self._kind, self._step = kind, step
        if len(self._wave) == PACKETS:
            self._samples -= self._wave[0].shape[1]
        self._wave.append(rows.copy())
        self._samples += rows.shape[1]
        while self._samples - self._wave[0].shape[1] > min(SECONDS / step, SAMPLES):
            self._samples -= self._wave.popleft().shape[1]
        self._new.add("trace")

    def _kspace(self) -> dict[str, Any]:
        """How often each line was measured, [partition or slice, k1]; levels: lines seen, and all."""
        fill = self._fill
        return _picture(_coarse(fill)) | {"levels": [int((fill > 0).sum()), fill.size]}

    def _coils(self) -> dict[str, Any]:
        """Amount of correlation between channels; levels: their noise beside the median; marks: the dead."""
        noise = list(self._noise)
        try:
            found = measure(noise, self._scan) if noise else self._measured
        except DataError:
            return {}
        if self._repetition >= 0:
            self._noise = []
        if found is None or len(found.variance) > EDGE:
            return {}
        sd = np.sqrt(np.diagonal(found.covariance).real)
        outer = np.where(sd > 0, sd, np.inf)
        typical = float(np.median(sd[sd > 0])) if (sd > 0).any() else 1.0
        correlation = np.abs(found.covariance) / (outer[:, None] * outer)
        return _picture(correlation, top=1.0) | {
            "levels": [round(float(each) / typical, 3) for each in sd],
            "marks": silent(found.variance),
        }

    def _trace(self) -> dict[str, Any]:
        """The last seconds of each channel between its least and greatest value; levels: how many seconds."""
        signal = np.concatenate(list(self._wave), axis=1)[:, -int(SECONDS / self._step) :]
        seconds = round(signal.shape[1] * self._step, 2)
        low, high = signal.min(1, keepdims=True), signal.max(1, keepdims=True)
        scaled = (signal - low) / np.maximum(high - low, 1)
        return _picture(_coarse(scaled), top=1.0) | {"levels": [seconds]}


def _coarse(values: NDArray[Any]) -> NDArray[np.float64]:
    """At most ``EDGE`` rows and columns, each the greatest of those that it stands for."""
    found = values.astype(np.float64)
    for axis in (0, 1):
        step = -(-found.shape[axis] // EDGE)
        found = np.maximum.reduceat(found, np.arange(0, found.shape[axis], step), axis)
    return found


def _picture(values: NDArray[np.float64], top: float = 0.0) -> dict[str, Any]:
    """Bytes from 0 to the greatest value, or to ``top``."""
    high = top or float(values.max()) or 1.0
    pixels = np.clip(values * 255 / high, 0, 255).astype(np.uint8)
    return {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
        "low": 0.0,
        "high": high,
    }
