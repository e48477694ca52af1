"""Lines laid into their matrix, one plane for each average, so that the order of arrival leaves no trace."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.errors import DataError
from gadgets.kspace.layout import Indices, Mask

LARGEST = 2**31
"""Samples of the largest buffer that is accepted."""

MOST_LINES = 2**24
"""Lines of the largest matrix that is accepted."""


@dataclass(kw_only=True)
class Lines:
    """The lines of one buffer; grows by a plane with each value of the average counter."""

    shape: tuple[int, int, int, int]
    """(coil, k2, k1, k0)."""

    planes: dict[int, NDArray[np.complex64]] = field(default_factory=dict)
    """By average, [coil, k2, k1, k0]; memory is taken by the system where lines are written."""

    seen: dict[int, Mask] = field(default_factory=dict)
    """By average, which lines are there."""

    def __bool__(self) -> bool:
        return bool(self.planes)

    def lay(self, data: NDArray[np.complex64], k2: Indices, k1: Indices, average: Indices) -> None:
        """Write readouts [readout, coil, k0] into their places.

        Raises DataError when a line is there already with the same average counter.
        """
        first = int(average[0])
        if (average == first).all():
            self._lay(first, data, k2, k1)
            return
        for value in np.unique(average):
            rows = average == value
            self._lay(int(value), data[rows], k2[rows], k1[rows])

    def _lay(self, average: int, data: NDArray[np.complex64], k2: Indices, k1: Indices) -> None:
        if average not in self.planes:
            self.planes[average] = np.zeros(self.shape, np.complex64)
            self.seen[average] = np.zeros(self.shape[1:3], np.bool_)
        seen = self.seen[average]
        before = int(np.count_nonzero(seen))
        again = seen[k2, k1]
        seen[k2, k1] = True
        if int(np.count_nonzero(seen)) != before + len(k1):
            raise DataError(_twice(again, k2, k1, average))
        self.planes[average][:, k2, k1] = data.swapaxes(0, 1)

    @property
    def sampled(self) -> NDArray[np.int32]:
        """How many times each line was acquired, [k2, k1]."""
        count = np.zeros(self.shape[1:3], np.int32)
        for seen in self.seen.values():
            count += seen
        return count

    def mean(self) -> NDArray[np.complex64]:
        """Mean over the averages that each line has, [coil, k2, k1, k0]; summed in the counter's order."""
        order = sorted(self.planes)
        if len(order) == 1:
            return self.planes[order[0]]
        total = self.planes[order[0]].copy()
        have = self.seen[order[0]].copy()
        for average in order[1:]:
            plane, seen = self.planes[average], self.seen[average]
            new, more = seen & ~have, seen & have
            total[:, new] = plane[:, new]
            total[:, more] += plane[:, more]
            have |= seen
        count = self.sampled
        several = count > 1
        total[:, several] /= count[several].astype(np.float32)[:, None]
        return total


def allocate(encoding: int, shape: tuple[int, int, int, int]) -> Lines:
    """Empty lines of a shape (coil, k2, k1, k0).

    Raises DataError when that is more than any scanner's matrix.
    """
    if math.prod(shape) > LARGEST or shape[1] * shape[2] > MOST_LINES:
        raise DataError(
            f"encoding space {encoding} has a buffer of {' x '.join(map(str, shape))} samples"
            f" (coil, k2, k1, k0), more than {LARGEST} in all or {MOST_LINES} lines"
        )
    return Lines(shape=shape)


def nearest(head: Heads, k2: Indices, k1: Indices, matrix: tuple[int, int]) -> tuple[tuple[int, ...], int]:
    """Rank and row of the readout nearest to the centre of k-space; ties go to the smallest index."""
    distance = (k2 - matrix[0] // 2) ** 2 + (k1 - matrix[1] // 2) ** 2
    average = head["idx"]["average"].astype(np.intp)
    row = int(np.lexsort((average, k1, k2, distance))[0])
    return (int(distance[row]), int(k2[row]), int(k1[row]), int(average[row])), row


def _twice(again: Mask, k2: Indices, k1: Indices, average: int) -> str:
    if again.any():
        row = int(again.argmax())
    else:
        _, first = np.unique(np.stack([k2, k1]), axis=1, return_index=True)
        row = int(np.setdiff1d(np.arange(len(k1)), first)[0])
    return f"the line at index k1 = {k1[row]}, k2 = {k2[row]} of the matrix came twice with average {average}"
