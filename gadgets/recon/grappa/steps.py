"""Lattices of lines: every R-th line, along one axis or two, with or without a CAIPIRINHA shift."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

Place = tuple[int, int]
"""A step from line to line, or a line's index, (k2, k1)."""


class Steps(NamedTuple):
    """The lattice of lines (k2 j, k1 i + shift j) for all whole i and j (Breuer et al., MRM 55:549, 2006).

    Every lattice of lines has one such form, so that shifts along k2 from line to line along k1 are among
    them: 2 x 2 with a shift of 1 along k2 is (1, 4, 2).
    """

    k2: int
    k1: int
    shift: int = 0

    @property
    def acceleration(self) -> int:
        """How many lines there are for each one acquired."""
        return self.k2 * self.k1

    def home(self, place: Place) -> Place:
        """The line of the unit cell (less than k2, less than k1) that a line is equivalent to."""
        turns, k2 = divmod(place[0], self.k2)
        return k2, (place[1] - turns * self.shift) % self.k1

    def first(self, k2: int, start: Place) -> int | None:
        """The least k1 >= 0 of the lattice through ``start`` in a plane; None: it has no line there."""
        turns, rest = divmod(k2 - start[0], self.k2)
        return None if rest else (start[1] + turns * self.shift) % self.k1

    def mask(self, shape: Place, start: Place) -> torch.Tensor:
        """The lines of the lattice through ``start``, bool [k2, k1]."""
        k2, k1 = torch.arange(shape[0])[:, None] - start[0], torch.arange(shape[1])[None, :] - start[1]
        turns = torch.div(k2, self.k2, rounding_mode="floor")
        return (k2 % self.k2 == 0) & ((k1 - turns * self.shift) % self.k1 == 0)


def plain(acceleration: Place) -> Steps:
    """The rectangular lattice of the header's acceleration (k1, k2)."""
    return Steps(acceleration[1], acceleration[0])


def lattices(acceleration: Place) -> Iterator[Steps]:
    """All lattices as dense as the header's acceleration (k1, k2) says, the rectangular one first."""
    total, first = acceleration[0] * acceleration[1], plain(acceleration)
    yield first
    for k2 in range(1, total + 1):
        for shift in range(total // k2 if total % k2 == 0 else 0):
            if Steps(k2, total // k2, shift) != first:
                yield Steps(k2, total // k2, shift)


def find(there: torch.Tensor, acceleration: Place) -> tuple[Steps, Place]:
    """The lattice with most acquired lines in it, and its first line; ``there`` is bool [k2, k1].

    In a single plane only every R-th line is a choice. Of equals the rectangular one is taken.
    """
    choices = lattices(acceleration) if there.shape[0] > 1 else [plain((acceleration[0], 1))]
    lines = torch.nonzero(there)
    best, most = (plain(acceleration), (0, 0)), -1
    for steps in choices:
        turns = torch.div(lines[:, 0], steps.k2, rounding_mode="floor")
        homes = lines[:, 0] % steps.k2 * steps.k1 + (lines[:, 1] - turns * steps.shift) % steps.k1
        counts = torch.bincount(homes, minlength=steps.acceleration)
        place = int(counts.argmax())
        if int(counts[place]) > most:
            best, most = (steps, divmod(place, steps.k1)), int(counts[place])
    return best
