"""What the spool holds, counted now and then."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from server.spool.index import records
from server.spool.room import free

PERIOD = 15.0
"""Seconds for which a count holds: each one reads every entry's outcome."""


@dataclass
class Spooled:
    """The folder of the spool; None when nothing is kept."""

    folder: Path | None
    room: int = 0
    refuses: bool = False
    """Whether new scans are refused when less than ``room`` bytes are free."""

    _counted: float = float("-inf")
    _entries: Counter[str] = field(default_factory=Counter)
    _bytes: int = 0

    def count(self) -> tuple[Counter[str], int]:
        """Entries by state, and their bytes."""
        if self.folder is not None and time.monotonic() - self._counted > PERIOD:
            found = records(self.folder)
            self._entries = Counter(each.state for each in found)
            self._bytes = sum(each.size for each in found)
            self._counted = time.monotonic()
        return self._entries, self._bytes

    def free(self) -> int:
        """Bytes free on its disk; 0 when it cannot be asked."""
        try:
            return free(self.folder) if self.folder is not None else 0
        except OSError:
            return 0

    def full(self) -> str:
        """Why no new scan is taken; empty when one is."""
        if self.folder is None or not self.refuses or self.free() >= self.room:
            return ""
        return f"the spool's disk has {self.free() >> 20} MiB free, expected at least {self.room >> 20} MiB"
