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
from gadgets.interpolation import on_line
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
        index, weight = (each[0] for each in on_line(time.astype(np.float64), np.array([moment])))
        nearest = frames[int(index[np.abs(weight).argmax()])]
        data = torch.stack([frames[n].data * float(w) for n, w in zip(index, weight, strict=True) if w]).sum(
            0
        )
        head = nearest.head.copy()
        head["phase"], head["image_index"] = phase, phase + 1
        head["image_series_index"] = SERIES * (number + 1) + int(head["slice"])
        head["physiology_time_stamp"][self.stamp] = round(length * phase / self.phases)
        said = {"ScansideHeartbeat": f"beat {number + 1} of {length * TICK * 1000:.0f} ms"}
        return replace(nearest, data=data, head=head, meta=noted(nearest.meta, "InterpolateHeartbeats", said))
