"""How long scans are kept: by age and by total size, and never at the cost of one that did not succeed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.spool.index import Record, records, remove


@dataclass(frozen=True)
class Retained:
    """What applying the rules did."""

    removed: tuple[str, ...]
    size: int
    """Bytes that the spool still holds."""

    over: int
    """Bytes above the limit that remain, because what is left may not be removed."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The rules. What is being received is never removed."""

    days: float | None = None
    """Entries begun longer ago go; None: no limit of age."""

    size: int | None = None
    """The oldest entries go until the spool holds no more bytes than this; None: no limit of size."""

    keep_failed: bool = True
    """Never remove what failed, was cut, refused, only spooled, interrupted or damaged."""

    def apply(self, spool: Path, now: datetime | None = None) -> Retained:
        """Remove what the rules say, oldest first."""
        held = records(spool)
        size = sum(each.size for each in held)
        oldest = (now or datetime.now(UTC)) - timedelta(days=self.days) if self.days is not None else None
        gone = []
        for each in held:
            aged = oldest is not None and each.begun < oldest
            above = self.size is not None and size > self.size
            if (aged or above) and self._may_go(each):
                remove(each)
                gone.append(each.name)
                size -= each.size
        return Retained(tuple(gone), size, max(0, size - self.size) if self.size is not None else 0)

    def _may_go(self, each: Record) -> bool:
        if each.state == "receiving":
            return False
        return each.succeeded or not self.keep_failed
