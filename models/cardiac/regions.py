"""Connected regions of a mask, by runs of pixels: what a plane needs of morphology, without a library."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Regions = NDArray[np.int32]

SECTORS = 24
"""Of the circle about a cavity."""


def regions(mask: Mask) -> Regions:
    """The number of the region of each pixel [y, x], 1 for the first; 0 outside. Neighbours share an edge."""
    begin, end, rows = _runs(mask)
    starts, ends = begin.tolist(), end.tolist()
    parent = list(range(len(starts)))
    first = np.searchsorted(rows, np.arange(len(mask) + 1)).tolist()
    for row in range(1, len(mask)):
        above, here = first[row - 1], first[row]
        while above < first[row] and here < first[row + 1]:
            if starts[above] < ends[here] and starts[here] < ends[above]:
                _join(parent, above, here)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([_root(parent, run) for run in range(len(parent))], np.int64)
    names = np.unique(roots, return_inverse=True)[1] + 1 if len(roots) else roots
    out = np.zeros(mask.shape, np.int32)
    for start, stop, row, name in zip(starts, ends, rows.tolist(), names.tolist(), strict=True):
        out[row, start:stop] = name
    return out


def _runs(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Begin, end and row of each stretch of pixels, row by row."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    return starts, np.nonzero(change == -1)[1], rows


def _root(parent: list[int], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def _join(parent: list[int], one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    parent[max(one, other)] = min(one, other)


def largest(mask: Mask, near: Mask | None = None) -> Mask:
    """The largest region; with ``near`` the one that shares most pixels with it. Empty where none is."""
    found = regions(mask)
    sizes = np.bincount(found[mask if near is None else mask & near], minlength=2)
    sizes[0] = 0
    return (found == sizes.argmax()) & mask if sizes.any() else np.zeros_like(mask)


def filled(mask: Mask) -> Mask:
    """The mask with its holes: with all that it keeps from the edge of the plane."""
    padded = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)
    padded[1:-1, 1:-1] = ~mask
    outside = regions(padded)
    kept: Mask = outside[1:-1, 1:-1] != outside[0, 0]
    return kept


def grown(mask: Mask, times: int = 1) -> Mask:
    """The mask and all pixels within so many steps along the axes."""
    for _ in range(times):
        wide = mask.copy()
        wide[1:] |= mask[:-1]
        wide[:-1] |= mask[1:]
        wide[:, 1:] |= mask[:, :-1]
        wide[:, :-1] |= mask[:, 1:]
        mask = wide
    return mask


def shrunk(mask: Mask) -> Mask:
    """The mask without its outermost pixels."""
    return mask & ~grown(~mask)


def hull(mask: Mask) -> Mask:
    """All pixels whose middle lies in the convex hull of the mask's middles (Andrew's monotone chain)."""
    rows = np.flatnonzero(mask.any(1))
    if len(rows) < 2:
        return mask.copy()
    first, last = mask.argmax(1), mask.shape[1] - 1 - mask[:, ::-1].argmax(1)
    left = _chain([(int(row), int(first[row])) for row in rows], 1)
    right = _chain([(int(row), int(last[row])) for row in rows], -1)
    low = np.interp(rows, *np.transpose(left))
    high = np.interp(rows, *np.transpose(right))
    columns = np.arange(mask.shape[1])
    out = np.zeros_like(mask)
    inside = np.arange(rows[0], rows[-1] + 1)
    low, high = np.interp(inside, rows, low), np.interp(inside, rows, high)
    out[inside] = (columns >= low[:, None] - 1e-9) & (columns <= high[:, None] + 1e-9)
    return out


def _chain(points: list[tuple[int, int]], side: int) -> list[tuple[int, int]]:
    """The corners of the hull at one side (1: small x) of points in order of y."""
    kept: list[tuple[int, int]] = []
    for y, x in points:
        while len(kept) > 1:
            (y0, x0), (y1, x1) = kept[-2:]
            if side * ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) < 0:
                break
            kept.pop()
        kept.append((y, x))
    return kept


def centre(mask: Mask) -> tuple[float, float]:
    """Mean (y, x) of its pixels; nan where it is empty."""
    rows, columns = np.nonzero(mask)
    return (float(rows.mean()), float(columns.mean())) if len(rows) else (float("nan"), float("nan"))


def enclosed(cavity: Mask, muscle: Mask) -> float:
    """The part of the circumference around a cavity in which there is muscle."""
    y0, x0 = centre(cavity)
    rows, columns = np.nonzero(muscle)
    sector = np.floor((np.arctan2(rows - y0, columns - x0) / (2 * np.pi) + 0.5) * SECTORS) % SECTORS
    return len(np.unique(sector)) / SECTORS
