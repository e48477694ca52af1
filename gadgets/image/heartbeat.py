"""Frames of a real-time series at fixed phases of each heartbeat."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gadgets.data import Image
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.image.history import noted
from gadgets.scan import Scan

TICK = 2.5e-3
"""Unit of the time stamps [s]."""

SERIES = 10
"""Gadgetron's numbers: ten times the beat, counted from 1, plus the slice."""

MOST = 4096
"""Frames of a slice that may wait for the scan's end."""


@dataclass(frozen=True, kw_only=True)
class InterpolateHeartbeats(Gadget):
    """Give each real-time frame, and at the scan's end those of each complete heartbeat at fixed phases.

    A heartbeat begins where the time since the trigger (physiology time stamp) falls back, and is complete
    when the next one begins. Frames in between are interpolated by cubic Hermite polynomials in time, each
    pixel by itself: where the frames are as far apart as the phases, the noise hardly changes. Each beat is a
    series of its own. Companions pass; g-factor and SNR maps of the interpolated frames are not made.

    Raises DataError for more frames than ``MOST`` of a slice.
    """

    phases: Annotated[int, Field(ge=2, le=1000)] = 30
    """Frames of each heartbeat."""

    beats: Literal["all", "first"] = "all"
    """Every complete heartbeat, or only the first one."""

    stamp: Annotated[int, Field(ge=0, le=2)] = 0
    """Which of the three physiology time stamps counts."""

    triggered: bool = False
    """The first frame was taken at a trigger: its beat counts."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give each image, and behind the last one the heartbeats, slice by slice."""
        frames: dict[int, list[Image]] = {}
        for item in stream:
            if item.role == "image":
                mine = frames.setdefault(int(item.head["slice"]), [])
                if len(mine) == MOST:
                    raise DataError(f"more than {MOST} frames of a slice wait for their heartbeats")
                mine.append(item)
            yield item
        for index in sorted(frames):
            yield from self._beats(frames[index])

    def _beats(self, frames: list[Image]) -> Iterator[Image]:
        since = np.array([int(each.head["physiology_time_stamp"][self.stamp]) for each in frames], np.int64)
        time = np.array([int(each.head["acquisition_time_stamp"]) for each in frames], np.int64)
        starts = [int(n) + 1 for n in np.flatnonzero(np.diff(since) < 0)]
        starts = [0, *starts] if self.triggered or (len(since) and since[0] == 0) else starts
        triggers = [int(time[n] - since[n]) for n in starts]
        pairs = list(pairwise(triggers))
        for number, (begin, end) in enumerate(pairs[: None if self.beats == "all" else 1]):
            for phase in range(self.phases):
                moment = begin + (end - begin) * phase / self.phases
                if time[0] <= moment <= time[-1]:
                    yield self._frame(frames, time, moment, (number, phase, end - begin))

    def _frame(
        self, frames: list[Image], time: NDArray[np.int64], moment: float, place: tuple[int, int, int]
    ) -> Image:
        number, phase, length = place
        weights = hermite(time.astype(np.float64), moment)
        nearest = frames[max(weights, key=lambda n: abs(weights[n]))]
        data = torch.stack([frames[n].data * weight for n, weight in weights.items()]).sum(0)
        head = nearest.head.copy()
        head["phase"], head["image_index"] = phase, phase + 1
        head["image_series_index"] = SERIES * (number + 1) + int(head["slice"])
        head["physiology_time_stamp"][self.stamp] = round(length * phase / self.phases)
        said = {"ScansideHeartbeat": f"beat {number + 1} of {length * TICK * 1000:.0f} ms"}
        return replace(nearest, data=data, head=head, meta=noted(nearest.meta, "InterpolateHeartbeats", said))


def hermite(time: NDArray[np.float64], moment: float) -> dict[int, float]:
    """The weights of the samples at ``time`` whose sum is the value at ``moment``, within their range.

    Cubic Hermite polynomials with the slopes of the chords between both neighbours (Catmull and Rom): exact
    for parabolas at even distances, for straight lines always.
    """
    right = int(np.clip(np.searchsorted(time, moment), 1, len(time) - 1))
    left = right - 1
    step = time[right] - time[left]
    x = (moment - time[left]) / step if step > 0 else 0.0
    weights = {left: 2 * x**3 - 3 * x**2 + 1, right: 3 * x**2 - 2 * x**3}
    for at, part in ((left, x**3 - 2 * x**2 + x), (right, x**3 - x**2)):
        low, high = max(at - 1, 0), min(at + 1, len(time) - 1)
        if time[high] > time[low]:
            slope = part * step / (time[high] - time[low])
            weights[high] = weights.get(high, 0.0) + slope
            weights[low] = weights.get(low, 0.0) - slope
    return {n: float(weight) for n, weight in sorted(weights.items()) if weight}
