"""Acquisitions as blocks: one structured view of the receive buffer, one aligned copy."""

import functools
import operator
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gadgets.data import ASIDE, Block, Readouts
from gadgets.head import COMPRESSED, LAST, READOUT_HEAD, Flag
from server.wire.kinds import Kind

SHAPE = ("active_channels", "number_of_samples", "trajectory_dimensions")
FIRST = 128
"""How many acquisitions are looked at first for a run; where all fit, four times as many, and so on.

Readouts of 8 coils x 128 samples fill a block of 1 MiB with fewer.
"""

ANY_ASIDE = np.uint64(functools.reduce(operator.or_, (int(kind.flags) for kind in ASIDE)))
"""The flags of all readouts that never enter k-space."""

CUT_AFTER = np.uint64(sum(LAST.values()) | Flag.LAST_IN_MEASUREMENT)
"""A block ends behind a readout with one of these flags, so that a trigger never waits for more data."""


def record(head: np.void) -> np.dtype[np.void]:
    """The layout of an acquisition message that has this header.

    Trajectory and samples are seen as 16-bit words: the message is aligned to 2 bytes only, and NumPy copies
    aligned words many times faster than unaligned complex numbers.
    """
    return _record(*(int(head[name]) for name in SHAPE))


@functools.lru_cache(maxsize=64)
def _record(coils: int, samples: int, dims: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("id", "<u2"),
            ("head", READOUT_HEAD),
            ("path", "<u2", 2 * samples * dims),
            ("data", "<u2", 4 * coils * samples),
        ]
    )


def run(view: memoryview) -> tuple[NDArray[np.void], int]:
    """The longest run of equally shaped acquisitions at the start of ``view``, and its bytes.

    The first message must be complete and not compressed.
    """
    first = np.frombuffer(view, READOUT_HEAD, count=1, offset=2)[0]
    layout = record(first)
    count = len(view) // layout.itemsize
    n, window = 0, FIRST
    while n < count:
        records = np.frombuffer(view, layout, min(window, count) - n, n * layout.itemsize)
        same = _alike(records, first)
        n += len(same) if same.all() else int(same.argmin())
        if n < window:
            break
        window *= 4
    return np.frombuffer(view, layout, n), n * layout.itemsize


def _alike(records: NDArray[np.void], first: np.void) -> NDArray[np.bool]:
    """Which records are acquisitions, not compressed, of the first one's shape."""
    head = records["head"]
    same: NDArray[np.bool] = records["id"] == Kind.ACQUISITION
    same &= head["flags"] & np.uint64(COMPRESSED) == 0
    for name in SHAPE:
        same &= head[name] == first[name]
    return same


def blocks(records: NDArray[np.void]) -> Iterator[Readouts]:
    """Records of one shape as items that own aligned copies of their headers and samples."""
    count = len(records)
    coils, samples, dims = (int(records["head"][0][name]) for name in SHAPE)
    data = records["data"].copy().view(np.complex64).reshape(count, coils, samples)
    path = None
    if dims:
        path = records["path"].copy().view(np.float32).reshape(count, samples, dims)
    yield from split(Readouts(head=records["head"].copy(), data=data, trajectory=path))


def split(run: Readouts) -> Iterator[Readouts]:
    """Readouts of any kind as items of one kind each.

    Cut where kind or encoding space change, and behind every LAST flag.
    """
    kinds = kind(run.head["flags"])
    change = (np.diff(kinds) != 0) | (np.diff(run.head["encoding_space_ref"]) != 0)
    cuts = np.flatnonzero(change | (run.head["flags"][:-1] & CUT_AFTER != 0)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(run.head)]):
        index = int(kinds[start])
        path = None if run.trajectory is None else run.trajectory[start:stop]
        item = Block if index < 0 else ASIDE[index]
        yield item(head=run.head[start:stop], data=run.data[start:stop], trajectory=path)


def message(run: Readouts) -> NDArray[np.void]:
    """The readouts as acquisition messages, one record each."""
    count = len(run.head)
    records = np.empty(count, record(run.head[0]))
    records["id"] = Kind.ACQUISITION
    records["head"] = run.head
    records["data"] = np.ascontiguousarray(run.data).view("<u2").reshape(count, -1)
    if run.trajectory is not None:
        records["path"] = np.ascontiguousarray(run.trajectory).view("<u2").reshape(count, -1)
    return records


def kind(flags: NDArray[np.uint64]) -> NDArray[np.int8]:
    """Index into ASIDE of each readout, or -1 for imaging and reference lines."""
    kinds = np.full(flags.shape, -1, np.int8)
    if not np.bitwise_or.reduce(flags) & ANY_ASIDE:
        return kinds
    for index, aside in reversed(list(enumerate(ASIDE))):
        kinds[flags & np.uint64(aside.flags) != 0] = index
    return kinds
