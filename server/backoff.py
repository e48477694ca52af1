"""How soon what has ended is started again: at once the first time, then ever later."""

import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST, LONGEST = 0.5, 60.0
"""Seconds before the second start in a row, doubled with each one, and at most."""

STEADY = 60.0
"""Seconds after which what was started counts as well."""


@dataclass
class Backoff:
    """The ends of one process, and when it may be started again."""

    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    """Ends in a row, of which none had lived for ``STEADY`` seconds."""
    _begun: float = 0.0
    _due: float | None = None

    def began(self) -> None:
        """It was started."""
        self._begun, self._due = self.clock(), None

    def ended(self) -> float:
        """It ended; in how many seconds it may be started again."""
        now = self.clock()
        if now - self._begun > STEADY:
            self.failures = 0
        self.failures += 1
        wait = 0.0 if self.failures == 1 else min(LONGEST, FIRST * 2.0 ** (self.failures - 2))
        self._due = now + wait
        return wait

    @property
    def waits(self) -> bool:
        """Whether a start is still to come."""
        return self._due is not None

    @property
    def due(self) -> bool:
        """Whether it is time to start it."""
        return self._due is not None and self.clock() >= self._due

    def forgive(self) -> None:
        """Begin to count anew, and start at once if a start is still to come."""
        self.failures = 0
        if self._due is not None:
            self._due = self.clock()
