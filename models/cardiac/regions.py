"""Connected regions of a mask, by runs of pixels: what a plane needs of morphology, without a library."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Regions = NDArray[np.int32]
Point = tuple[float, float]
"""(y, x) [pixel]."""

SECTORS = 24
"""Of the circle about a cavity."""


def regions(mask: Mask) -> Regions:
    """The number of the region of each pixel [y, x], 1 for the first; 0 outside. Neighbours share an edge."""
    starts, ends = _runs(mask)
    width = mask.shape[1] + 1
    first = np.searchsorted(ends, starts - width, "right")
    count = np.searchsorted(starts, ends - width) - first
    roots = np.arange(len(starts))
    roots = np.where(count > 0, first, roots)
    while not np.array_equal(further := roots[roots], roots):
        roots = further
    roots = _joined(roots, first, count)
    names = np.cumsum(roots == np.arange(len(roots)))[roots]
    steps = np.zeros(mask.shape[0] * width, np.int32)
    steps[starts] = names
    steps[ends] = -names
    return np.ascontiguousarray(np.cumsum(steps, dtype=np.int32).reshape(-1, width)[:, :-1])


def _runs(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Begin and end of each stretch of pixels, row by row, in a plane that is one column wider."""
    wide = np.zeros((mask.shape[0], mask.shape[1] + 1), np.bool_)
    wide[:, :-1] = mask
    flat = wide.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], edges]) if flat[:1].any() else edges
    return edges[::2], edges[1::2]


def _joined(
    roots: NDArray[np.int64], first: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The roots where runs that lie under several others make one region of these."""
    parent: dict[int, int] = {}
    for run in np.flatnonzero(count > 1).tolist():
        for other in range(int(first[run]) + 1, int(first[run] + count[run])):
            one, another = _root(parent, int(roots[run])), _root(parent, int(roots[other]))
            if one != another:
                parent[max(one, another)] = min(one, another)
    if not parent:
        return roots
    final = np.arange(len(roots))
    for run in parent:
        final[run] = _root(parent, run)
    return final[roots]


def _root(parent: dict[int, int], run: int) -> int:
    while run in parent:
        run = parent[run]
    return run


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


def centre(mask: Mask) -> Point:
    """Mean (y, x) of its pixels; nan where it is empty."""
    rows, columns = np.nonzero(mask)
    return (float(rows.mean()), float(columns.mean())) if len(rows) else (float("nan"), float("nan"))


def enclosed(cavity: Mask, muscle: Mask) -> float:
    """The part of the circumference around a cavity in which there is muscle."""
    y0, x0 = centre(cavity)
    rows, columns = np.nonzero(muscle)
    sector = np.floor((np.arctan2(rows - y0, columns - x0) / (2 * np.pi) + 0.5) * SECTORS) % SECTORS
    return len(np.unique(sector)) / SECTORS
