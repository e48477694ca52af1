"""Where the lines of one encoding space belong in its matrix, and which of them the header promises."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.errors import DataError
from gadgets.scan import Encoding, Limit, Scan

Mask: TypeAlias = NDArray[np.bool_]
"""Lines of a matrix, [k2, k1]."""

Indices: TypeAlias = NDArray[np.intp]
"""Positions along one axis of the matrix, or rows of a block."""

STEPS = ("kspace_encode_step_2", "kspace_encode_step_1")
"""The counters along the axes of a line's place, (k2, k1)."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The matrix of one encoding space and the lines that fill it; pairs are (k2, k1)."""

    encoding: int
    matrix: tuple[int, int]
    shift: tuple[int, int] = (0, 0)
    """Index in the matrix minus counter."""

    span: tuple[range | None, range | None] = (None, None)
    """Indices between the header's limits; None where it has no limits."""

    step: tuple[int, int] = (1, 1)
    """Acceleration."""

    averages: int = 1
    references: int | None = None
    """Number of embedded reference lines of each average; None when the header does not tell."""

    embedded: bool = False
    """Calibration lines belong to the image, too."""

    interleaving: str | None = None
    """The counter along which the frames shift their lines; None when they do not."""

    assumed: bool = False
    """The centre along k1 is not in the header, and was taken to be matrix / 2."""

    @property
    def accelerated(self) -> bool:
        """Some lines are left out on purpose."""
        return self.step != (1, 1)

    def place(self, head: Heads) -> tuple[Indices, Indices]:
        """Index of each readout's line in the matrix: counter + matrix // 2 - centre, (k2, k1).

        Raises DataError for a line outside the matrix.
        """
        return self._axis(head, 0), self._axis(head, 1)

    def _axis(self, head: Heads, axis: int) -> Indices:
        counter = head["idx"][STEPS[axis]].astype(np.intp)
        index: Indices = counter + self.shift[axis]
        outside = (index < 0) | (index >= self.matrix[axis])
        if outside.any():
            first = int(outside.argmax())
            raise DataError(
                f"{STEPS[axis]} = {counter[first]} of encoding space {self.encoding} lies at index "
                f"{index[first]}, outside the matrix of {self.matrix[axis]} lines"
            )
        return index

    def grid(self, offset: tuple[int, int]) -> Mask | None:
        """The lines between the limits that are congruent to ``offset`` modulo the acceleration.

        None when the header has no limits along k1.
        """
        if self.span[1] is None:
            return None
        rows, columns = (self._comb(axis, offset[axis]) for axis in (0, 1))
        return rows[:, None] & columns[None, :]

    def _comb(self, axis: int, offset: int) -> Mask:
        span = self.span[axis] or range(self.matrix[axis])
        index = np.arange(self.matrix[axis])
        comb: Mask = (index >= span.start) & (index < span.stop) & ((index - offset) % self.step[axis] == 0)
        return comb


def layout(scan: Scan, index: int) -> Layout:
    """The layout that the header gives one encoding space.

    Raises DataError when the header lacks it, or when its readouts are no single-band Cartesian lines.
    """
    encoding = scan.encoding(index)
    _refuse(encoding, index)
    _, k1, k2 = encoding.encoded.matrix
    matrix = (max(k2, 1), max(k1, 1))
    limits = (encoding.limit(STEPS[0]), encoding.limit(STEPS[1]))
    shift = (_shift(limits[0], matrix[0]), _shift(limits[1], matrix[1]))
    average = encoding.limit("average")
    step = (max(encoding.acceleration[1], 1) if matrix[0] > 1 else 1, max(encoding.acceleration[0], 1))
    return Layout(
        encoding=index,
        matrix=matrix,
        shift=shift,
        span=(_span(limits[0], shift[0], matrix[0]), _span(limits[1], shift[1], matrix[1])),
        step=step,
        averages=max(average.size, 1) if average else 1,
        references=_references(scan, matrix),
        embedded=encoding.calibration == "embedded",
        interleaving=_interleaving(encoding) if step != (1, 1) else None,
        assumed=limits[1] is None,
    )


def _refuse(encoding: Encoding, index: int) -> None:
    if encoding.trajectory not in ("cartesian", "epi"):
        raise DataError(
            f"Accumulate takes Cartesian readouts, but encoding space {index} has a {encoding.trajectory}"
            " trajectory"
        )
    if encoding.multiband > 1:
        raise DataError(f"multiband {encoding.multiband} of encoding space {index} is not supported")


def _shift(limit: Limit | None, size: int) -> int:
    return size // 2 - limit.center if limit else 0


def _span(limit: Limit | None, shift: int, size: int) -> range | None:
    if limit is None:
        return None
    return range(max(limit.minimum + shift, 0), min(limit.maximum + shift + 1, size))


def _references(scan: Scan, matrix: tuple[int, int]) -> int | None:
    counts = [scan.parameters.get(name) for name in ("EmbeddedRefLinesE1", "EmbeddedRefLinesE2")]
    k1, k2 = (int(count) if isinstance(count, int | float) else 0 for count in counts)
    if k1 <= 0 or (matrix[0] > 1 and k2 <= 0):
        return None
    return k1 * (k2 if matrix[0] > 1 else 1)


def _interleaving(encoding: Encoding) -> str | None:
    if encoding.calibration != "interleaved":
        return None
    if encoding.interleaving in ("phase", "repetition", "contrast", "set"):
        return encoding.interleaving
    limit = encoding.limit("repetition")
    return "phase" if limit is not None and limit.size == 1 else "repetition"
