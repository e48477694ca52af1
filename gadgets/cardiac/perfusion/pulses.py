"""How many pulses came before a line: with it a look-up table knows what the signal means."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gadgets.data import Block, Heads
from gadgets.gadget import Gadget
from gadgets.head import Flag
from gadgets.scan import Scan

PLACE = 7
"""Of the count among the eight ``user_int`` of a header: an image has that of its central line."""

FRAME = ("slice", "phase", "repetition", "set")
"""Counters of one frame; echoes (contrasts) of one pulse are read one behind the other."""

LINE = ("kspace_encode_step_1", "kspace_encode_step_2", "contrast")


@dataclass(frozen=True, kw_only=True)
class CountPulses(Gadget):
    """Write into each line how many pulses of its frame came before it, in ``user_int[7]``.

    Counted from the order in which lines arrive: lines of another k1 or k2, or the same contrast again, are
    another pulse. Lines that only calibrate are not counted.
    """

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block]:
        """Each block with the counts in its headers; its data are as they came."""
        last: dict[int, _Last] = {}
        for block in stream:
            head = block.head.copy()
            counted = last.setdefault(block.encoding, _Last())
            head["user_int"][:, PLACE] = counted.count(head)
            yield replace(block, head=head)


class _Last:
    """The line that came last in one encoding space."""

    def __init__(self) -> None:
        self._frame: list[int] = []
        self._line: list[int] = []
        self._pulse = 0

    def count(self, head: Heads) -> list[int]:
        """How many pulses came before each line of a block."""
        counters = (*FRAME, *LINE)
        rows = np.stack([head["idx"][name].astype(np.int64) for name in counters], 1).tolist()
        calibrates = (head["flags"] & np.uint64(int(Flag.PARALLEL_CALIBRATION))) != 0
        return [0 if aside else self._next(row) for row, aside in zip(rows, calibrates.tolist(), strict=True)]

    def _next(self, row: list[int]) -> int:
        frame, line = row[: len(FRAME)], row[len(FRAME) :]
        if frame != self._frame:
            self._pulse = 0
        elif line[:2] != self._line[:2] or line[2] <= self._line[2]:
            self._pulse += 1
        self._frame, self._line = frame, line
        return self._pulse
