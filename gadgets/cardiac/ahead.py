"""Slices of a cine scan that the network looks at while later ones are still being measured.

What a slice shows by itself is a pure function of its images (``models.cardiac.section``): no result depends
on when it was looked at, and what was not looked at ahead, or of other images, is looked at in the end.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from gadgets.cardiac.stack import Stack, magnitude, place, side
from gadgets.data import Image

if TYPE_CHECKING:
    from models.cardiac.looks import Reader
    from models.cardiac.section import Section

Column = tuple[Image, ...]
"""The phases of one slice, in order."""


@dataclass(kw_only=True, eq=False)
class Ahead:
    """Looks at slices as they become complete, one after the other, in a thread of its own.

    A slice seems complete when it has as many images as the one before, else when the next one begins. A
    context: leaving it abandons what was not begun.
    """

    reader: "Callable[[Image], Reader | None]"
    """Who looks at slices of such images; None: nobody."""

    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "segment"))
    _open: list[Image] = field(default_factory=list)
    _usual: int = 0
    _looked: dict[tuple[int, ...], "tuple[Column, Future[Section | None]]"] = field(default_factory=dict)
    """By the identities of their images, which are held so that nothing else gets them."""

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, image: Image) -> None:
        """An image that came; those of a slice come one after the other."""
        if self._open and place(image) != place(self._open[0]):
            self._look()
        self._open.append(image)
        if len(self._open) == self._usual:
            self._look()

    def _look(self) -> None:
        column = tuple(sorted(self._open, key=lambda one: int(one.head["phase"])))
        self._open = []
        if len(column) > 1:
            self._usual = max(len(column), self._usual)
            self._looked[_name(column)] = column, self._pool.submit(self._section, column)

    def _section(self, column: Column) -> "Section | None":
        reader = self.reader(column[0])
        return None if reader is None else seen(reader, column, side(column[0]))

    def sections(self, reader: "Reader", stack: Stack) -> "list[Section]":
        """Each slice of a stack looked at by ``reader``, those that were not looked at ahead now."""
        pixel, found = float(np.mean(stack.pixel)), []
        if self._open:
            self._look()
        for column in zip(*stack.images, strict=True):
            ahead = self._done(column)
            found.append(ahead if ahead and ahead.pixel == pixel else seen(reader, column, pixel))
        return found

    def _done(self, column: Column) -> "Section | None":
        """What was seen ahead of just these images; a failure says itself when they are looked at again."""
        _, future = self._looked.get(_name(column), (column, None))
        return None if future is None or future.exception() else future.result()


def _name(column: Sequence[Image]) -> tuple[int, ...]:
    return tuple(map(id, column))


def seen(reader: "Reader", column: Sequence[Image], pixel: float) -> "Section":
    """What ``reader`` sees of a slice's images with pixels of ``pixel`` [mm]."""
    from models.cardiac.section import section

    return section(reader, torch.stack([magnitude(each) for each in column]), pixel)
