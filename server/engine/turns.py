"""Who goes first where cores are few: the threads at the end of a line, until it has given its first item.

Threads that already work on the next repetition take the core that the first image needs. Measured on two
cores, 32 channels, ten repetitions: the first image came 0.7 times as late (``python -m benchmarks server``).
"""

import threading
import time
from collections.abc import Sequence
from typing import Protocol

PATIENCE = 1.0
"""Seconds after which nobody waits any more: a chain that gives its first item late needs all its threads."""

FEW = 2
"""Cores; with more, threads that run ahead take nothing away."""


class Inlet(Protocol):
    """What a stage takes its items from."""

    @property
    def idle(self) -> bool:
        """Its receiver waits, and nothing is there."""
        ...


class Turns:
    """Holds a stage back while one behind it has something to do."""

    def __init__(self, cores: int) -> None:
        self._inlets: Sequence[Inlet] = ()
        self._closed = cores <= FEW
        self._until: float | None = None
        self._changed = threading.Condition()

    def among(self, inlets: Sequence[Inlet]) -> None:
        """The stages' inlets, in the order of the line."""
        self._inlets = inlets

    def gives(self, inlet: Inlet) -> None:
        """A stage gives an item; when it is the last one, all work at once from now on."""
        if self._closed and inlet is self._inlets[-1]:
            self._closed = False
            with self._changed:
                self._changed.notify_all()

    def look(self) -> None:
        """A stage waits for something to do, or has ended."""
        if self._closed:
            with self._changed:
                self._changed.notify_all()

    def wait(self, inlet: Inlet) -> None:
        """Wait until no stage behind this inlet's has something to do, or until it is of no use."""
        if not self._closed:
            return
        behind = self._inlets[self._inlets.index(inlet) + 1 :]
        with self._changed:
            now = time.monotonic()
            self._until = self._until or now + PATIENCE
            # in this order: who is idle, with all before it idle, cannot be given anything meanwhile
            self._changed.wait_for(
                lambda: not self._closed or all(each.idle for each in behind), max(self._until - now, 0.0)
            )
            self._closed = self._closed and time.monotonic() < self._until
