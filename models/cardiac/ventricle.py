"""The left ventricle among what a network labelled so: one cavity from slice to slice, and its own muscle.

A stomach full of contrast and a vessel are round, bright and walled, too, and lean on the heart. They do not
beat, and where walls touch each muscle goes with the nearer cavity.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import Mask, enclosed, filled, grown, hull, largest, regions

CAVITY, MUSCLE, RIGHT = 1, 2, 3

WALLED = 0.5
"""Part of a cavity's circumference from which it has a wall of its own."""

LEAST = 12
"""Pixels of a section that a search begins with."""

SMALL = 3
"""Pixels of a cavity, at the apex in systole."""

WAY = 0.25
"""How far a section may reach beyond the one beside it, in radii of that one."""

APART = 3
"""Pixels between parts of one cavity: as thick is a papillary muscle, and no wall."""

WIDER = 1.5
"""How much larger a section may be beyond a slice without one: below an apex may lie a stomach."""

AROUND = 0.75
"""Part of a cavity's circumference from which a wall says that it is one, wherever it lies."""

EMPTIED = 0.75
"""Part that muscle has of the place between cavities above and below, from which the beat has emptied it: all
of it then; up to 0.42 where a ring of a breath elsewhere lies across it."""

Volume = NDArray[np.bool_]
"""[slice, y, x]."""


def left_ventricle(
    labels: NDArray[np.uint8], worth: NDArray[np.float32] | None = None, upwards: bool | None = None
) -> tuple[Volume, Volume]:
    """Cavity and muscle of the left ventricle, bool [slice, y, x], in labels [slice, y, x]; empty: none.

    It is the chain of cavities that is worth most, sum times number of slices. ``worth`` [slice, y, x] of
    each pixel in and around a cavity: how much it beats, or whether the heart was there at another moment;
    without it, and where all of it is 0, muscle counts. ``upwards``: from apex to base, where that is known.
    """
    parts = [_parts(each == CAVITY) for each in labels]
    if worth is None or not worth.any():
        worth = (labels == MUSCLE).astype(np.float32)
    cavity, most, taken = np.zeros(labels.shape, np.bool_), 0.0, np.zeros(labels.shape, np.bool_)
    seeds = [(int(part.sum()), index, n) for index, each in enumerate(parts) for n, part in enumerate(each)]
    for size, index, n in sorted(seeds, reverse=True):
        seed = parts[index][n]
        if size < LEAST or taken[index][seed].any():
            continue
        chain = _chain(parts, index, seed)
        taken |= chain
        value = _value(chain, worth)
        if value > most:
            cavity, most = chain, value
    _shifted(labels, cavity, parts)
    return cavity, _walls(labels, cavity, parts, upwards)


def apex_first(labels: NDArray[np.uint8]) -> bool:
    """Whether a stack [slice, y, x] at end-diastole goes from apex to base: to the larger left ventricle."""
    return _grows(np.isin(labels, (CAVITY, MUSCLE)))


def _grows(ventricle: Volume) -> bool:
    """Whether the second half of a ventricle's slices is larger than the first."""
    areas = [area for area in map(int, ventricle.sum((1, 2))) if area]
    half = len(areas) // 2
    return sum(areas[:half]) < sum(areas[len(areas) - half :])


def _parts(mask: Mask) -> list[Mask]:
    """Its connected regions, without single pixels."""
    found = regions(mask)
    sizes = np.bincount(found.ravel())
    return [found == name for name in range(1, len(sizes)) if sizes[name] >= SMALL]


def _reach(mask: Mask, part: float, more: int = 1) -> int:
    """A part of a region's radius, in pixels."""
    return math.ceil(part * math.sqrt(float(mask.sum()) / math.pi)) + more


def _chain(parts: list[list[Mask]], start: int, seed: Mask) -> Volume:
    """A section of one slice, and up and down from it what goes on where it was.

    One slice without a cavity does not end it: the beat may empty the middle of a thick ventricle.
    """
    out = np.zeros((len(parts), *seed.shape), np.bool_)
    out[start] = seed
    for step in (1, -1):
        last, index = start, start + step
        while 0 <= index < len(parts) and abs(index - last) <= 2:
            found = _next(parts[index], out[last])
            if abs(index - last) == 1 or found.sum() <= WIDER * out[last].sum():
                out[index] = found
                last = index if found.any() else last
            index += step
    return out


def _shifted(labels: NDArray[np.uint8], cavity: Volume, parts: list[list[Mask]]) -> None:
    """Fill slices without a cavity, between those with one, by a section that lies elsewhere: another breath
    was held there. It has a wall of its own and lies within a radius of those beside it.

    Where muscle fills the place between those, the beat has emptied the slice: a stomach may lie beside it.
    """
    for index in _gaps(cavity):
        muscle, beside = labels[index] == MUSCLE, cavity[[index - 1, index + 1]]
        common = beside.all(0) if beside.all(0).any() else beside.any(0)
        if (muscle & common).sum() < EMPTIED * common.sum():
            cavity[index] = _elsewhere(parts[index], muscle, beside)


def _gaps(cavity: Volume) -> list[int]:
    """The slices without a cavity between those with one."""
    slices = [int(index) for index in np.flatnonzero(cavity.any((1, 2)))]
    return sorted(set(range(slices[0], slices[-1])) - set(slices)) if slices else []


def _elsewhere(parts: list[Mask], muscle: Mask, beside: Volume) -> Mask:
    """Of the regions of a slice the walled one that shares most with what is within a radius of cavities."""
    wide = np.any([grown(each, _reach(each, 1.0, 0)) for each in beside if each.any()], 0)
    most, best, chosen = WIDER * float(beside.sum((1, 2)).max()), 0, np.zeros_like(muscle)
    for part in parts:
        wall, shared = largest(muscle | part, part) & ~part, int((part & wide).sum())
        fits = LEAST <= part.sum() <= most and 2 * shared >= part.sum()
        if fits and shared > best and enclosed(part, wall) >= AROUND:
            best, chosen = shared, part
    return chosen


def _next(parts: list[Mask], near: Mask) -> Mask:
    """What goes on of a section: the part that shares most with it, and what papillary muscles cut off."""
    wide, size = grown(near, _reach(near, WAY, 0)), int(near.sum())
    shared = [int((part & wide).sum()) for part in parts]
    going = [
        (common, n)
        for n, common in enumerate(shared)
        if common >= max(SMALL, min(int(parts[n].sum()), size) / 2)
    ]
    if not going:
        return np.zeros_like(near)
    main = parts[max(going)[1]]
    around, before, found = grown(main, APART + 1), hull(near), main.copy()
    for _, n in going:
        if (parts[n] & around).any() and 2 * (parts[n] & before).sum() >= parts[n].sum():
            found |= parts[n]
    return found


def _value(chain: Volume, worth: NDArray[np.float32]) -> float:
    """What a chain is worth."""
    slices = np.flatnonzero(chain.any((1, 2)))
    total = sum(float(worth[n][grown(chain[n], _reach(chain[n], 0.5))].sum()) for n in slices)
    return total * len(slices)


def _walls(
    labels: NDArray[np.uint8], cavity: Volume, parts: list[list[Mask]], upwards: bool | None
) -> Volume:
    """The muscle of a chain of cavities, and at its apical end the apex, which has none."""
    out = np.zeros_like(cavity)
    slices = list(map(int, np.flatnonzero(cavity.any((1, 2)))))
    for index in slices:
        own = largest((labels[index] == MUSCLE) | cavity[index], cavity[index]) & ~cavity[index]
        inside = hull(cavity[index])
        others = [part for part in parts[index] if part.sum() >= LEAST and not (part & inside).any()]
        near = [part for part in others if (grown(part) & own).any() and enclosed(part, own) >= WALLED]
        out[index] = _nearer(own, cavity[index], np.any(near, axis=0)) if near else own
    for index in _gaps(cavity):
        beside = np.any(cavity[index - 1 : index + 2] | out[index - 1 : index + 2], 0)
        out[index] = largest((labels[index] == MUSCLE) & grown(beside), beside)
    if len(slices) > 1:
        upwards = _grows(cavity | out) if upwards is None else upwards
        end, step = (slices[0], -1) if upwards else (slices[-1], 1)
        _cap(labels == MUSCLE, labels == CAVITY, out, end, step, cavity)
    return out


def _cap(muscle: Volume, hollow: Volume, out: Volume, end: int, step: int, cavity: Volume) -> None:
    """Go on by steps beyond the last cavity with the muscle below it; what is ``hollow`` is no apex."""
    index = end
    while 0 <= index + step < len(muscle):
        above = cavity[index] | out[index]
        index += step
        found = largest(muscle[index] & grown(above), above)
        if found.sum() < LEAST or 2 * (found & above).sum() < found.sum():
            return
        if (filled(found) & hollow[index]).sum() >= SMALL:
            return
        out[index] = found


def _nearer(mask: Mask, to: Mask, than: Mask) -> Mask:
    """The pixels of a mask that are nearer to one region than to another."""
    at, one, other = (np.argwhere(each).astype(np.float32) for each in (mask, to, than))
    kept = np.zeros_like(mask)
    if len(at):
        near = _distance(at, one) <= _distance(at, other)
        kept[mask] = near
    return kept


def _distance(points: NDArray[np.float32], region: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared, from each point to the nearest one of a region."""
    square: NDArray[np.float32] = ((points[:, None] - region[None]) ** 2).sum(-1).min(1)
    return square
