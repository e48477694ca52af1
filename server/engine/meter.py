"""How long a gadget is at work, which is not how long it waits for the others."""

import time
from typing import Any, TypedDict

from server.engine.channel import Channel


class Stats(TypedDict):
    """What a gadget has done so far."""

    name: str
    seconds: float
    """Seconds in the gadget's own code; what it waits for its inlet or its outlet does not count."""
    items: int
    """Items that it gave."""
    queue: int
    """Items that wait for it."""


class Meter:
    """A clock that runs while its gadget is at work. Its thread writes, any thread may read."""

    def __init__(self, name: str, inlet: Channel[Any]) -> None:
        self._name = name
        self.inlet = inlet
        self.items = 0
        self._clock: tuple[float, float | None] = (0.0, None)
        """Seconds until the last change, and since when it runs; one object, so that readers see both."""

    def enter(self) -> None:
        """The gadget begins to work."""
        self._clock = (self._clock[0], time.perf_counter())

    def leave(self) -> None:
        """The gadget waits, or has ended."""
        self._clock = (self._so_far(), None)

    def read(self) -> Stats:
        """The figures so far, of work in progress too."""
        seconds = round(self._so_far(), 6)
        return Stats(name=self._name, seconds=seconds, items=self.items, queue=len(self.inlet))

    def _so_far(self) -> float:
        seconds, since = self._clock
        return seconds if since is None else seconds + time.perf_counter() - since
