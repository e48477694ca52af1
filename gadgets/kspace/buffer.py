"""One buffer: the lines of one image, its reference lines beside them, and how far they have come."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Heads, Kspace, Notes
from gadgets.errors import DataError
from gadgets.kspace.coverage import missing
from gadgets.kspace.layout import Indices, Layout, Mask
from gadgets.kspace.lines import Lines, allocate, nearest
from gadgets.kspace.rows import Key, Rows
from gadgets.kspace.sheared import Sheared, sheared


@dataclass(kw_only=True)
class Buffer:
    """The lines that have arrived with one key."""

    key: Key
    began: int
    """Readouts of the encoding space before its first one."""

    layout: Layout
    imaging: Lines
    reference: Lines
    transformed: bool = False
    notes: Notes = field(default_factory=dict)
    head: Heads | None = None
    """Header of the imaging line nearest to the centre."""

    rank: tuple[int, ...] = ()
    grid: Mask | None = None
    """The imaging lines that acceleration and limits promise; None while that cannot be told."""

    offset: tuple[int, int] | None = None
    size: int = 0
    """Readouts with this key so far."""

    promised: int = 0
    """Imaging lines of the grid, counted over averages."""

    placed: int = 0
    """How many of them are there."""

    flagged: int = 0
    saturated: int = 0
    """Readouts that the receiver clipped."""

    referenced: bool = False
    """All its reference lines are known to be there."""

    lattices: tuple[Sheared, ...] = ()
    """What else the imaging lines may be, where the grid is none of theirs: (k2, k1) and (k1, k2)."""

    def full_after(self, k2: Indices, k1: Indices, average: Indices) -> int | None:
        """Which of these imaging lines, the next to arrive, completes grid or lattice; None: none of them."""
        at = self._grid_after(k2, k1, average)
        if at is not None or not self.lattices:
            return at
        ends = (one.after(*lines) for one, lines in self._turned(k2, k1))
        return min((end for end in ends if end is not None), default=None)

    def _turned(self, k2: Indices, k1: Indices) -> Iterator[tuple[Sheared, tuple[Indices, Indices]]]:
        return zip(self.lattices, ((k2, k1), (k1, k2)), strict=True)

    def _grid_after(self, k2: Indices, k1: Indices, average: Indices) -> int | None:
        offset = self.offset or self._offset(k2, k1)
        grid = self.grid if self.offset else self.layout.grid(offset)
        if grid is None:
            return None
        lack = int(grid.sum()) * self.layout.averages - self.placed
        if lack <= 0 or lack > len(k1):
            return None
        at = int(np.searchsorted(np.cumsum(grid[k2, k1]), lack))
        regular = self._regular(k2[: at + 1], k1[: at + 1], average[: at + 1], offset)
        return at if at < len(k1) and regular else None

    def referenced_after(self, arriving: int) -> int | None:
        """Which of the next reference lines is the last that the header promises; None: none of them."""
        if self.layout.references is None or self.referenced:
            return None
        lack = self.layout.references * self.layout.averages - self.flagged
        return lack - 1 if 0 < lack <= arriving else None

    @property
    def reference_due(self) -> bool:
        """As many reference lines are there as the header promises."""
        promised = self.layout.references
        return promised is not None and self.flagged == promised * self.layout.averages

    @property
    def full(self) -> bool:
        """Every imaging line that the header promises is there."""
        by_grid = self.grid is not None and self.placed == self.promised
        return by_grid or any(lattice.whole for lattice in self.lattices)

    @property
    def complete(self) -> bool:
        """Every line that can belong to the image is there, beyond doubt."""
        settled = self.referenced or not (self.layout.embedded and self.layout.accelerated)
        return settled and self.full

    @property
    def uncertain(self) -> bool:
        """Every imaging line is there, but how many embedded reference lines follow nobody can tell."""
        return self.full and not self.complete and self.layout.references is None

    @property
    def gapless(self) -> bool:
        """No line is missing that the header's limits and averages promise."""
        known = self.layout.span[1] is not None and bool(self.imaging)
        return known and not self.pending and not self.missing().any()

    @property
    def pending(self) -> bool:
        """Averages that the header promises have yet to come."""
        if self.layout.averages == 1:
            return False
        return len(self.imaging.planes) < self.layout.averages or (self.grid is not None and not self.full)

    def missing(self) -> Mask:
        """Lines that are missing without an explanation, [k2, k1]."""
        flagged = self.reference.sampled > 0 if self.layout.embedded else None
        return missing(self.imaging.sampled > 0, self.layout, flagged)

    def lay(self, rows: Rows, chosen: Indices, *, wanted: bool) -> None:
        """Take rows of a block: imaging lines, and reference lines as far as they are wanted.

        Raises DataError for a line that is there already.
        """
        self.size += len(chosen)
        self.saturated += rows.saturated(chosen)
        imaging = chosen[rows.imaging[chosen]]
        try:
            if len(imaging):
                self._lay_imaging(rows, imaging)
            self._lay_reference(rows, chosen, wanted=wanted)
        except DataError as error:
            raise DataError(f"{self.key}: {error}") from error

    def _lay_imaging(self, rows: Rows, chosen: Indices) -> None:
        block, k2, k1 = rows.select(chosen), rows.k2[chosen], rows.k1[chosen]
        self.imaging.lay(block.data, k2, k1, rows.average[chosen])
        rank, row = nearest(block.head, k2, k1, self.layout.matrix)
        if self.head is None or rank < self.rank:
            self.rank, self.head = rank, block.head[row].copy()
        if self.offset is None:
            self.offset = self._offset(k2, k1)
            self.grid = self.layout.grid(self.offset)
            self.promised = 0 if self.grid is None else int(self.grid.sum()) * self.layout.averages
        if not self._regular(k2, k1, rows.average[chosen], self.offset):
            self.grid = None
        self.placed += int(self.grid[k2, k1].sum()) if self.grid is not None else 0
        for lattice, lines in self._turned(k2, k1) if self.lattices else ():
            lattice.add(*lines)

    def _lay_reference(self, rows: Rows, chosen: Indices, *, wanted: bool) -> None:
        flagged = chosen[rows.flagged[chosen]]
        self.flagged += len(flagged)
        if len(flagged) and (wanted or self.layout.embedded):
            data = rows.select(flagged).data
            self.reference.lay(data, rows.k2[flagged], rows.k1[flagged], rows.average[flagged])

    def _offset(self, k2: Indices, k1: Indices) -> tuple[int, int]:
        return int(k2[0]) % self.layout.step[0], int(k1[0]) % self.layout.step[1]

    def _regular(self, k2: Indices, k1: Indices, average: Indices, offset: tuple[int, int]) -> bool:
        """Whether acceleration and the number of averages are as the header says."""
        step = self.layout.step
        off = ((k2 - offset[0]) % step[0] != 0) | ((k1 - offset[1]) % step[1] != 0)
        return not (off | (average >= self.layout.averages)).any()

    def lines(self) -> tuple[NDArray[np.complex64], NDArray[np.int32]]:
        """The image's lines [coil, k2, k1, k0] and how often each was acquired [k2, k1].

        Embedded calibration lines stand where no imaging line was acquired.
        """
        data, sampled = self.imaging.mean(), self.imaging.sampled
        if not (self.layout.embedded and self.reference):
            return data, sampled
        also = self.reference.sampled
        gap = (sampled == 0) & (also > 0)
        if gap.any():
            data[:, gap] = self.reference.mean()[:, gap]
            sampled[gap] = also[gap]
        return data, sampled

    def kspace(self, notes: Notes) -> Kspace:
        """The finished buffer, with more notes."""
        data, sampled = self.lines()
        assert self.head is not None
        clipped = {"ScansideSaturated": self.saturated} if self.saturated else {}
        return Kspace(
            data=torch.from_numpy(data)[None, None, None],
            sampled=torch.from_numpy(sampled)[None, None, None],
            head=self.head.reshape(1, 1, 1),
            encoding=self.layout.encoding,
            transformed=self.transformed,
            notes={**self.notes, **clipped, **notes},
        )


def open_buffer(key: Key, rows: Rows, layout: Layout, row: int = 0) -> Buffer:
    """An empty buffer that begins with a row of a block.

    Raises DataError when it would be larger than any scanner's matrix.
    """
    _, coils, samples = rows.block.data.shape
    shape = (coils, *layout.matrix, samples)
    return Buffer(
        key=key,
        began=rows.before + row,
        layout=layout,
        imaging=allocate(layout.encoding, shape),
        reference=allocate(layout.encoding, shape),
        transformed=rows.block.transformed,
        notes=rows.block.notes,
        lattices=sheared(layout),
    )
