"""When the lines of a sheared lattice (CAIPIRINHA) are all there, though no header tells the shift."""

from dataclasses import dataclass, field

import numpy as np

from gadgets.kspace.layout import Indices, Layout, Mask


@dataclass(kw_only=True, eq=False)
class Sheared:
    """A lattice whose rows are moved each on its own: what its lines so far say of it.

    Every row that the acceleration leaves has one offset along the other axis, that of its first line. The
    lattice is whole when each row has all lines of its offset between the limits; lines that lie elsewhere
    (reference lines among the others) end it: nothing is known then.
    """

    rows: range
    """Between the limits."""

    columns: range
    steps: tuple[int, int]
    """Acceleration along the axis of the rows, and along the other."""

    offset: Indices = field(init=False)
    """Of each row, along the other axis; -1 before its first line."""

    have: Indices = field(init=False)
    """How many lines each row has."""

    base: int = -1
    """Of the rows, as the first line says it."""

    even: bool = True
    """All lines so far lie on such a lattice."""

    def __post_init__(self) -> None:
        """Nothing is there yet."""
        self.offset = np.full(self.rows.stop, -1, np.intp)
        self.have = np.zeros(self.rows.stop, np.intp)

    @property
    def whole(self) -> bool:
        """Every line is there."""
        return self.even and self.base >= 0 and not self._lack(self.offset, self.have, self.base).any()

    def after(self, rows: Indices, columns: Indices) -> int | None:
        """Which of these lines, the next to arrive, makes it whole; None: none of them."""
        if not self.even or self.whole:
            return None
        base, offset, off = self._seen(rows, columns)
        first = int(np.argmax(off)) if off.any() else len(rows)
        rows = rows[:first]
        lack = self._lack(offset, self.have, base)
        order = np.argsort(rows, kind="stable")
        needed = np.flatnonzero(lack > 0)
        starts = np.searchsorted(rows[order], needed)
        stops = np.searchsorted(rows[order], needed, side="right")
        if (offset[self._expected(base)] < 0).any() or (stops - starts < lack[needed]).any():
            return None
        return int(order[starts + lack[needed] - 1].max())

    def add(self, rows: Indices, columns: Indices) -> None:
        """Take lines that have arrived."""
        self.base, self.offset, off = self._seen(rows, columns)
        self.even = self.even and not off.any()
        if self.even:
            self.have = self.have + np.bincount(rows, minlength=len(self.have))

    def _seen(self, rows: Indices, columns: Indices) -> tuple[int, Indices, Mask]:
        """Base and offsets with these lines, and which of them lie off the lattice."""
        base = self.base if self.base >= 0 else int(rows[0]) % self.steps[0]
        offset = self.offset.copy()
        inside = (rows >= self.rows.start) & (rows < self.rows.stop)
        inside &= (columns >= self.columns.start) & (columns < self.columns.stop)
        known, first = np.unique(rows[inside], return_index=True)
        new = offset[known] < 0
        offset[known[new]] = columns[inside][first[new]] % self.steps[1]
        off = ~inside | (rows % self.steps[0] != base)
        off[inside] |= columns[inside] % self.steps[1] != offset[rows[inside]]
        return base, offset, off

    def _expected(self, base: int) -> Indices:
        first = self.rows.start + (base - self.rows.start) % self.steps[0]
        return np.arange(first, self.rows.stop, self.steps[0], dtype=np.intp)

    def _lack(self, offset: Indices, have: Indices, base: int) -> Indices:
        """How many lines each row lacks; 1 of those that have none yet."""
        lack = np.zeros_like(have)
        rows = self._expected(base)
        step, first = self.steps[1], self.columns.start
        begin = first + (offset[rows] - first) % step
        full = np.maximum(0, -((begin - self.columns.stop) // step))
        lack[rows] = np.where(offset[rows] < 0, 1, full - have[rows])
        return lack


def sheared(layout: Layout) -> tuple[Sheared, ...]:
    """Rows along k1 for each k2, and rows along k2 for each k1; none where no volume is accelerated."""
    k2, k1 = layout.span
    if layout.matrix[0] == 1 or not layout.accelerated or layout.averages > 1 or k2 is None or k1 is None:
        return ()
    step = layout.step
    return (
        Sheared(rows=k2, columns=k1, steps=step),
        Sheared(rows=k1, columns=k2, steps=(step[1], step[0])),
    )
