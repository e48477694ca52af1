"""What the headers of one block say, line by line: buffer, place, kind, and where something ends."""

import functools
import operator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gadgets.data import Block, Heads
from gadgets.head import LAST, Flag
from gadgets.kspace.layout import Indices, Layout, Mask

ANY_END = functools.reduce(operator.or_, LAST.values())


class Key(NamedTuple):
    """The counters that make separate buffers; segments are merged, averages averaged."""

    repetition: int
    phase: int
    set: int
    contrast: int
    slice: int

    def __str__(self) -> str:
        also = ("phase", "set", "contrast")
        more = [f"{name} {getattr(self, name)}" for name in also if getattr(self, name)]
        return ", ".join([f"slice {self.slice}", f"repetition {self.repetition}", *more])


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The readouts of a block as lines of k-space; arrays are [readout]."""

    block: Block
    before: int
    """Readouts of the encoding space before this block."""

    k2: Indices
    k1: Indices
    average: Indices
    imaging: Mask
    """Belongs to the image."""

    flagged: Mask
    """Reference line, whether or not it belongs to the image, too."""

    last: Mask
    """Carries the flag that ends its buffer, or as a mere calibration line any that ends something."""

    ends_counter: Mask
    """Carries the LAST flag of the trigger's counter."""

    ends_all: Mask
    """Carries LAST_IN_MEASUREMENT."""

    groups: tuple[tuple[Key, Indices], ...]
    """The rows of each buffer, ascending."""

    def select(self, rows: Indices) -> Block:
        """The readouts of these rows (ascending); a view where they are consecutive."""
        block, first, stop = self.block, int(rows[0]), int(rows[-1]) + 1
        chosen: slice | Indices = slice(first, stop) if stop - first == len(rows) else rows
        return Block(
            head=block.head[chosen],
            data=block.data[chosen],
            transformed=block.transformed,
            notes=block.notes,
        )

    def saturated(self, rows: Indices) -> int:
        """How many of these rows the receiver clipped."""
        marks = self.block.saturated
        return 0 if marks is None else int(marks[rows].sum())


def read(block: Block, layout: Layout, trigger: str, before: int) -> Rows:
    """The lines of a block.

    Raises DataError for a line outside the matrix.
    """
    flags = block.head["flags"]
    k2, k1 = layout.place(block.head)
    both = _has(flags, Flag.PARALLEL_CALIBRATION_AND_IMAGING)
    calibration = _has(flags, Flag.PARALLEL_CALIBRATION) & ~both
    ends_counter, ends_all = _has(flags, LAST[trigger]), _has(flags, Flag.LAST_IN_MEASUREMENT)
    last = ends_counter | ends_all | (calibration & _has(flags, ANY_END))
    return Rows(
        block=block,
        before=before,
        k2=k2,
        k1=k1,
        average=block.head["idx"]["average"].astype(np.intp),
        imaging=~calibration,
        flagged=calibration | both,
        last=last,
        ends_counter=ends_counter,
        ends_all=ends_all,
        groups=tuple(_groups(block.head)),
    )


def key_of(rows: Rows, row: int) -> Key:
    """The buffer that one row belongs to."""
    idx = rows.block.head["idx"][row]
    return Key(*(int(idx[name]) for name in Key._fields))


def _has(flags: Heads, flag: Flag) -> Mask:
    has: Mask = (flags & np.uint64(int(flag))) != 0
    return has


def _groups(head: Heads) -> list[tuple[Key, Indices]]:
    counters = np.stack([head["idx"][name] for name in Key._fields], axis=1)
    rows = np.arange(len(head))
    if (counters == counters[0]).all():
        return [(Key(*counters[0].tolist()), rows)]
    keys, group = np.unique(counters, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(group.reshape(-1)))[:-1])
    return [(Key(*key), part) for key, part in zip(keys.tolist(), parts, strict=True)]
