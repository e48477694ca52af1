"""After the death of a server: entries that were left without an outcome get one, and keep every byte."""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.spool.entry import NEW, OUTCOME, REMOVED, STREAM, WRITER, conclude, stamp
from server.spool.index import NAME, vacant
from server.spool.patient import patient
from server.spool.stream import Extent, Spooled
from server.wire.kinds import Kind

STALE = 60.0
"""Seconds after which an entry that never got its name counts as left behind."""


@dataclass(frozen=True)
class Recovered:
    """An entry whose writer died."""

    name: str
    extent: Extent

    @property
    def closed(self) -> bool:
        """Whether all was received, to the peer's CLOSE."""
        return self.extent.last == Kind.CLOSE and self.extent.complete == self.extent.size


def recover(spool: Path, key: bytes) -> list[Recovered]:
    """The entries without an outcome whose writer is dead; each is marked ``interrupted``.

    Its outcome says ``bytes``, ``complete`` (bytes of complete messages), ``closed`` (the last one was the
    peer's CLOSE), ``fault`` and ``patient``. Entries that are being written are left alone, so this may run
    at any time, and more than once at a time. It reads each stream once: call it beside the server, not
    before. OSError of one entry (a full disk) leaves that one for the next time.
    """
    if not spool.is_dir():
        return []
    _sweep(spool)
    names = sorted(each.name for each in spool.iterdir() if NAME.fullmatch(each.name))
    return [found for name in names if (found := _recover(spool / name, key))]


def _recover(folder: Path, key: bytes) -> Recovered | None:
    try:
        if (folder / OUTCOME).exists():
            return None
        with vacant(folder) as free:
            return _interrupted(folder, key) if free and not (folder / OUTCOME).exists() else None
    except OSError:
        return None


def _interrupted(folder: Path, key: bytes) -> Recovered:
    stream = folder / STREAM
    last = stream.stat()
    os.truncate(stream, last.st_size)
    found = Recovered(folder.name, Spooled(stream).extent())
    outcome = {
        "state": "interrupted",
        "error": "the server died while it received this scan",
        "name": folder.name,
        **_known(folder),
        "ended": stamp(datetime.fromtimestamp(last.st_mtime, UTC)),
        "bytes": found.extent.size,
        "complete": found.extent.complete,
        "closed": found.closed,
        "fault": found.extent.fault,
        "patient": patient(stream, key),
    }
    conclude(folder, outcome)
    return found


def _known(folder: Path) -> dict[str, str]:
    """What the dead writer had noted."""
    try:
        noted = json.loads((folder / WRITER).read_bytes())
    except ValueError:
        return {}
    return {name: str(noted[name]) for name in ("peer", "begun") if name in noted}


def _sweep(spool: Path) -> None:
    """Remove what was left half made (no byte was in it yet) or half removed."""
    for folder in spool.iterdir():
        with suppress(FileNotFoundError):
            half = folder.name.startswith(NEW) and time.time() - folder.stat().st_mtime > STALE
            if half or folder.name.startswith(REMOVED):
                shutil.rmtree(folder, ignore_errors=True)
