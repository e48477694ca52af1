"""Readouts that the receiver clipped: many of their samples stand at exactly the same extreme value."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gadgets.data import Block, Heads, Text
from gadgets.gadget import Gadget
from gadgets.scan import Scan

STEPS = 64
"""An extreme of fewer steps of the converter is not its limit: small integers of noise repeat their own."""


@dataclass(frozen=True, kw_only=True)
class DetectSaturation(Gadget):
    """Mark the readouts that the receiver clipped, and say so at once: their images are distorted.

    Of a channel's readout at least ``samples`` real or imaginary parts have to stand at exactly the greatest
    or at exactly the least value that the channel has had in the scan, and not more than half of them. It has
    to see the samples as the converter gave them: before every other gadget. Images whose lines were clipped
    say in their meta how many (``ScansideSaturated``). Clipping before a filter or a rotation in the receiver
    leaves no equal values, and is not seen.
    """

    samples: Annotated[int, Field(ge=2)] = 4
    """How many equal extremes make a readout a clipped one; noise gives one, seldom two."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block | Text]:
        """All blocks, with marks; a warning before the first one marked, and their number at the end."""
        watch = _Watch(samples=self.samples)
        for item in stream:
            marks = None if item.transformed else watch.marks(item.data)
            if marks is None:
                yield item
                continue
            if not watch.clipped:
                yield Text(text=_first(item.head, marks, scan.coil_labels), level="warning")
            lines: NDArray[np.bool_] = marks.any(axis=1)  # type: ignore[assignment]
            watch.clipped += int(lines.sum())
            yield replace(item, saturated=lines)
        if watch.clipped > 1:
            yield Text(text=f"{watch.clipped} readouts were clipped by the receiver", level="warning")


def _first(head: Heads, marks: NDArray[np.bool_], labels: tuple[str, ...]) -> str:
    """Which readout of a block is the first that was clipped, [readout, coil]."""
    row = int(np.argmax(marks.any(1)))
    coil = int(np.argmax(marks[row]))
    name = labels[coil] if coil < len(labels) else str(coil)
    line, slice_ = head["idx"]["kspace_encode_step_1"][row], head["idx"]["slice"][row]
    return (
        f"channel {name} is saturated in line k1 = {line} of slice {slice_}: many samples stand at the "
        "receiver's limit, and the images of that line are distorted"
    )


@dataclass(eq=False)
class _Watch:
    """The extremes of each channel so far."""

    samples: int
    clipped: int = 0
    most: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """[coil, 2]: the greatest real or imaginary part, and minus the least."""

    def marks(self, data: NDArray[np.complex64]) -> NDArray[np.bool_] | None:
        """Which channels of which readouts were clipped, [readout, coil]; None: none of them.

        Readout by readout, so that it does not matter where blocks are cut. Only what reaches the extreme of
        its channel is looked at: without clipping that is rare.
        """
        values = np.ascontiguousarray(data).view(np.float32)
        ends = np.stack([values.max(-1), -values.min(-1)], -1)
        if self.most.shape != ends.shape[1:]:
            self.most = np.zeros(ends.shape[1:], np.float32)
        reached = np.maximum.accumulate(np.concatenate([self.most[None], ends]))
        self.most = reached[-1]
        rows, coils = np.nonzero(((ends == reached[1:]) & (ends > 0)).any(-1))
        marks = np.zeros(ends.shape[:2], np.bool_)
        marks[rows, coils] = self._clipped(values[rows, coils], reached[rows + 1, coils])
        return marks if marks.any() else None

    def _clipped(self, values: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which of some channels' readouts were clipped, given as their parts and limits, [which, part]."""
        equal = ((values == limits[:, :1]) | (values == -limits[:, 1:])).sum(1)
        clipped: NDArray[np.bool_] = (self.samples <= equal) & (equal <= values.shape[1] // 2)
        for which in np.flatnonzero(clipped):
            size = np.abs(values[which])
            clipped[which] = size.max() >= STEPS * size[size > 0].min()
        return clipped
