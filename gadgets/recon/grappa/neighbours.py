"""Which acquired lines a missing line is made from: the nearest ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from gadgets.recon.grappa.steps import Place, Steps

EQUAL = 1e-6
"""Distances that differ by less are one distance."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Missing lines of the unit cell that are made from the same acquired lines.

    Both are places (k2, k1) counted from an acquired line.
    """

    sources: tuple[Place, ...]
    targets: tuple[Place, ...]

    def shifts(self) -> Iterator[Place]:
        """From each source to each target: all sources of the first target, then of the next."""
        for target in self.targets:
            yield from ((target[0] - one[0], target[1] - one[1]) for one in self.sources)

    @property
    def box(self) -> tuple[Place, Place]:
        """The smallest and the greatest place, along k2 and along k1."""
        places = self.sources + self.targets
        k2, k1 = [place[0] for place in places], [place[1] for place in places]
        return (min(k2), min(k1)), (max(k2), max(k1))


def neighbours(steps: Steps, count: int) -> tuple[Neighbours, ...]:
    """For every missing line its ``count`` nearest acquired ones, and those as near as the last of them.

    Distances are counted in lines, those along k2 and along k1 alike.
    """
    found = []
    for target in ((k2, k1) for k2 in range(steps.k2) for k1 in range(steps.k1)):
        if target != (0, 0):
            found.append((_nearest(steps, target, count), target))
    found.sort(key=lambda one: (one[0], one[1]))
    return tuple(
        Neighbours(sources=sources, targets=tuple(target for _, target in group))
        for sources, group in groupby(found, key=lambda one: one[0])
    )


def _nearest(steps: Steps, target: Place, count: int) -> tuple[Place, ...]:
    def distance(place: Place) -> float:
        return float((place[0] - target[0]) ** 2 + (place[1] - target[1]) ** 2)

    reach = count + 2
    places = [
        (turn * steps.k2, step * steps.k1 + turn * steps.shift)
        for turn in range(-reach, reach + 1)
        for step in range(-reach - abs(turn), reach + abs(turn) + 1)
    ]
    limit = sorted(map(distance, places))[count - 1] + EQUAL
    return tuple(sorted(place for place in places if distance(place) <= limit))


def along_k1(steps: Steps, used: int) -> tuple[Neighbours, ...]:
    """For lattices along k1 alone: the ``used`` acquired lines about each gap make all lines in it."""
    sources = tuple((0, line * steps.k1) for line in range(-((used - 1) // 2), used // 2 + 1))
    targets = tuple((0, missing) for missing in range(1, steps.k1))
    return (Neighbours(sources=sources, targets=targets),) if targets else ()
