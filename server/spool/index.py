"""What the spool holds. Each entry's ``outcome.json`` is its line in the index; there is no other.

Entries come and go while the folder is read: what vanishes meanwhile is not listed.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.spool.entry import OUTCOME, STREAM, WRITER, erase
from server.spool.patient import patient
from server.spool.room import SpoolError
from server.spool.stream import Spooled

NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")
TRIES = 5
"""A lock that is only being looked at is free again within milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One entry as it was when the folder was read."""

    folder: Path = field(repr=False)
    """The entry's own folder."""

    state: str
    """The outcome's; ``receiving`` while its writer lives, ``interrupted`` when that died without an outcome,
    ``damaged`` when the outcome cannot be read or the stream is shorter than it says."""

    size: int
    """Bytes of the stream."""

    outcome: Mapping[str, Any]
    """Empty when there is none."""

    @property
    def name(self) -> str:
        """The entry's name, by which it is chosen."""
        return self.folder.name

    @property
    def begun(self) -> datetime:
        """When it was begun (UTC)."""
        return datetime.strptime(self.name.partition("-")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)

    @property
    def succeeded(self) -> bool:
        """Whether the scan was received and reconstructed to its end, and all of it was kept."""
        return self.state == "complete" and bool(self.outcome.get("kept"))

    @property
    def stream(self) -> Spooled:
        """The bytes."""
        return Spooled(self.folder / STREAM)

    def patient(self, key: bytes) -> str:
        """The pseudonym of the patient; from the stream where the outcome does not say it."""
        known = self.outcome.get("patient")
        return known if isinstance(known, str) else patient(self.folder / STREAM, key)


def records(spool: Path) -> list[Record]:
    """All entries, oldest first; none when there is no such folder."""
    with suppress(FileNotFoundError):
        names = sorted(name for name in os.listdir(spool) if NAME.fullmatch(name))  # noqa: PTH208
        return [found for name in names if (found := record(spool / name))]
    return []


def record(folder: Path) -> Record | None:
    """The entry in ``folder``; None when it is not there, or no longer."""
    try:
        outcome = _outcome(folder)
        if outcome is None:
            with vacant(folder, tries=1) as free:
                outcome = _outcome(folder)
            state = "interrupted" if free else "receiving"
        size = (folder / STREAM).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    if outcome is None:
        return Record(folder=folder, state=state, size=size, outcome={})
    whole = isinstance(outcome.get("bytes"), int) and size >= outcome["bytes"]
    return Record(
        folder=folder, state=str(outcome.get("state")) if whole else "damaged", size=size, outcome=outcome
    )


def entry(spool: Path, name: str) -> Record:
    """The entry of this name.

    Raises SpoolError when there is none.
    """
    found = record(spool / name) if NAME.fullmatch(name) else None
    if found is None:
        raise SpoolError(f"the spool {spool} has no entry {name!r}")
    return found


def find(what: Path, spool: Path) -> Spooled | None:
    """The stream that is meant by an entry's folder, a stream's file, or an entry's name in ``spool``."""
    if what.is_file() and what.suffix == Path(STREAM).suffix:
        return Spooled(what)
    folders = (what, spool / what) if NAME.fullmatch(what.name) else (what,)
    return next((Spooled(each / STREAM) for each in folders if (each / STREAM).is_file()), None)


def remove(chosen: Record) -> None:
    """Remove an entry, whatever became of its scan.

    Raises SpoolError for one that is still being received.
    """
    if not chosen.outcome:
        with vacant(chosen.folder) as free:
            if not free:
                raise SpoolError(f"spool entry {chosen.name} is still being received")
    erase(chosen.folder)


@contextmanager
def vacant(folder: Path, tries: int = TRIES) -> Iterator[bool]:
    """Whether no living process writes the entry; while inside, nobody else finds it so.

    Raises FileNotFoundError when there is no such entry.
    """
    descriptor = os.open(folder / WRITER, os.O_RDWR)
    try:
        yield any(_locked(descriptor, last=attempt == tries - 1) for attempt in range(tries))
    finally:
        os.close(descriptor)


def _locked(descriptor: int, *, last: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not last:
            time.sleep(0.005)
        return False
    return True


def _outcome(folder: Path) -> dict[str, Any] | None:
    """The outcome that stands in the index; empty when it cannot be read, None when there is none."""
    try:
        read = json.loads((folder / OUTCOME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
