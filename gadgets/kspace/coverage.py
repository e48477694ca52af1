"""Which lines of a buffer are missing without an explanation, and where its reference region lies."""

from dataclasses import replace

import numpy as np

from gadgets.kspace.layout import Indices, Layout, Mask


def missing(lines: Mask, layout: Layout, flagged: Mask | None = None) -> Mask:
    """Lines that neither acceleration nor limits nor an elliptical shutter explain, [k2, k1].

    ``lines`` are the acquired imaging lines. Between the limits every line that is congruent to one offset
    modulo the acceleration has to be there; without limits, between the outermost lines. Along k1 each
    partition has an offset of its own; or, of what lacks fewer lines, along k2 each line (CAIPIRINHA shifts
    along the one axis or the other). ``flagged`` are the embedded reference lines: between the outermost
    of them every line has to be there as well.
    """
    lacking = _expected(lines, layout) & ~lines
    if lacking.any() and layout.step[0] > 1:
        turned = replace(layout, matrix=layout.matrix[::-1], span=layout.span[::-1], step=layout.step[::-1])
        other = _expected(lines.T, turned).T & ~lines
        lacking = min(lacking, other, key=np.count_nonzero)
    if flagged is not None and flagged.any():
        lacking |= box(flagged) & ~(lines | flagged)
    return lacking


def _expected(lines: Mask, layout: Layout) -> Mask:
    expected = np.zeros(layout.matrix, np.bool_)
    if not lines.any():
        return expected
    partitions, columns = _span(lines, layout, 0), _span(lines, layout, 1)
    offset = _offset(_used(lines, 0), layout.step[0])
    common = _offset(_used(lines, 1), layout.step[1])
    for k2 in partitions:
        if (k2 - offset) % layout.step[0] == 0:
            own = _offset(lines[k2], layout.step[1]) if lines[k2].any() else common
            first = columns.start + (own - columns.start) % layout.step[1]
            expected[k2, first : columns.stop : layout.step[1]] = True
    return expected & _shutter(lines, partitions, columns)


def _span(lines: Mask, layout: Layout, axis: int) -> range:
    used = np.flatnonzero(_used(lines, axis))
    span = layout.span[axis]
    if span is None or used[0] < span.start or used[-1] >= span.stop:
        return range(int(used[0]), int(used[-1]) + 1)
    return span


def _used(lines: Mask, axis: int) -> Mask:
    return np.asarray(lines.any(axis=1 - axis))


def _offset(used: Mask, step: int) -> int:
    return int(np.bincount(np.flatnonzero(used) % step, minlength=step).argmax())


def _shutter(lines: Mask, partitions: range, columns: range) -> Mask:
    """All lines, or those of the ellipse between the limits when none outside it was acquired."""
    if len(partitions) < 4 or len(columns) < 4:
        return np.ones_like(lines)
    if lines[~_ellipse(lines.shape, partitions, columns, 1)].any():
        return np.ones_like(lines)
    return _ellipse(lines.shape, partitions, columns, -1)


def _ellipse(shape: tuple[int, ...], partitions: range, columns: range, margin: int) -> Mask:
    k2, k1 = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    distance = np.zeros(shape)
    for index, span in ((k2, partitions), (k1, columns)):
        middle = (span.start + span.stop - 1) / 2
        distance = distance + ((index - middle) / max(len(span) / 2 + margin, 1)) ** 2
    return np.asarray(distance <= 1)


def box(mask: Mask) -> Mask:
    """The smallest rectangle around some lines, [k2, k1]."""
    whole = np.zeros_like(mask)
    k2, k1 = (np.flatnonzero(_used(mask, axis)) for axis in (0, 1))
    whole[k2[0] : k2[-1] + 1, k1[0] : k1[-1] + 1] = True
    return whole


def region(mask: Mask) -> tuple[slice, slice]:
    """The largest gapless rectangle of lines about the centre, (k2, k1).

    Along each axis the run of lines that contains the centre, or is nearest to it; then, while a line of
    the rectangle is missing, the edge with the most missing lines is given up.
    """
    k2 = _run(_used(mask, 0))
    k1 = _run(_used(mask[k2], 1))
    while not mask[k2, k1].all():
        k2, k1 = _shrink(mask, k2, k1)
    return k2, k1


def _run(used: Mask) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    center = len(used) // 2

    def rank(run: tuple[int, int]) -> tuple[int, int, int]:
        start, stop = run
        return max(start - center, center - stop + 1, 0), start - stop, start

    runs = [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return slice(*min(runs, key=rank))


def _shrink(mask: Mask, k2: slice, k1: slice) -> tuple[slice, slice]:
    smaller = [
        (slice(k2.start + 1, k2.stop), k1),
        (slice(k2.start, k2.stop - 1), k1),
        (k2, slice(k1.start + 1, k1.stop)),
        (k2, slice(k1.start, k1.stop - 1)),
    ]
    return max((one for one in smaller if mask[one].size), key=lambda one: float(mask[one].mean()))


def name_lines(lacking: Mask, layout: Layout, at_most: int = 10) -> str:
    """The missing lines by their counters: ``k1 = 17, 18, 90``."""
    k2, k1 = (np.asarray(index) for index in np.nonzero(lacking))
    if layout.matrix[0] == 1:
        return "k1 = " + _listed([str(value - layout.shift[1]) for value in k1[:at_most]], k1, at_most)
    pairs = [
        f"({one - layout.shift[1]}, {two - layout.shift[0]})"
        for one, two in zip(k1[:at_most], k2[:at_most], strict=True)
    ]
    return "(k1, k2) = " + _listed(pairs, k1, at_most)


def _listed(names: list[str], lines: Indices, at_most: int) -> str:
    return ", ".join(names) + (", ..." if len(lines) > at_most else "")
