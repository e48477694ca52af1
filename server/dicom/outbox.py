"""What is to reach an archive, on disk until it has: a table of objects beside their files."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.errors import DicomError

State = Literal["built", "sent", "committed", "failed", "expired"]
"""``built`` waits to be sent (again); ``failed`` will not be tried again by itself, nor will ``expired``."""

FIRST, LONGEST = 2.0, 900.0
"""Seconds before the second attempt, doubled with each; and at most."""

VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY,
    archive TEXT NOT NULL,
    series TEXT NOT NULL,
    object TEXT NOT NULL,
    class TEXT NOT NULL,
    file TEXT NOT NULL,
    session TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'built',
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    changed REAL NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (archive, object)
);
CREATE INDEX IF NOT EXISTS waiting ON objects (state, due);
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One object for one archive."""

    number: int
    archive: str
    series: str
    object: str
    kind: str
    """Its SOP class."""

    file: Path
    session: str
    state: State
    attempts: int
    due: float
    changed: float
    """Unix times [s]."""

    reason: str


class Outbox:
    """The table, in ``outbox.db`` of a folder for this user alone. Several processes may hold it at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        before = os.umask(0o077)
        try:
            self._base = sqlite3.connect(folder / "outbox.db", timeout=30.0, isolation_level=None)
        finally:
            os.umask(before)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise DicomError(f"{folder / 'outbox.db'} has version {version}, this software knows {VERSION}")
        self._base.executescript(SCHEMA)
        self._base.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        """Let go of the table."""
        self._base.close()

    def add(self, rows: Sequence[tuple[str, str, str, str, Path]], session: str) -> int:
        """Take objects (archive, series, object, class, file), all or none; how many are new.

        An object that is there already, whatever became of it, is not taken twice.
        """
        now = time.time()
        with self._whole():
            before = self._base.total_changes
            self._base.executemany(
                "INSERT OR IGNORE INTO objects (archive, series, object, class, file, session, due, changed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row[:4], str(row[4]), session, now, now) for row in rows],
            )
            return self._base.total_changes - before

    def due(self, archive: str, now: float | None = None) -> dict[str, list[Entry]]:
        """What waits for an archive and may be tried now, by series."""
        found: dict[str, list[Entry]] = {}
        for entry in self._select(
            "state = 'built' AND archive = ? AND due <= ?", (archive, time.time() if now is None else now)
        ):
            found.setdefault(entry.series, []).append(entry)
        return found

    def sent(self, numbers: Sequence[int]) -> None:
        """The archive has taken these."""
        self._mark(numbers, "sent", "")

    def committed(self, archive: str, objects: Sequence[str]) -> None:
        """The archive will keep these."""
        self._by_object(archive, objects, "committed", "", only="sent")

    def missing(self, archive: str, objects: Sequence[str], reason: str) -> None:
        """The archive has lost these: they are sent again."""
        self._by_object(archive, objects, "built", reason, only="sent")

    def fail(self, numbers: Sequence[int], reason: str) -> None:
        """These will never be taken as they are."""
        self._mark(numbers, "failed", reason)

    def later(self, numbers: Sequence[int], reason: str, most: int) -> None:
        """Try these again, each time after twice as long, and at most ``most`` times in all."""
        now = time.time()
        with self._whole():
            for number in numbers:
                (attempts,) = self._base.execute(
                    "SELECT attempts FROM objects WHERE number = ?", (number,)
                ).fetchone()
                state = "expired" if attempts + 1 >= most else "built"
                wait = min(FIRST * 2.0**attempts, LONGEST)
                self._base.execute(
                    "UPDATE objects SET state = ?, attempts = attempts + 1, due = ?, changed = ?, reason = ?"
                    " WHERE number = ?",
                    (state, now + wait, now, reason, number),
                )

    def retry(self, archive: str | None = None) -> int:
        """Have everything that failed, expired or waits tried again now; how many objects that are."""
        where, values = ("AND archive = ?", (archive,)) if archive else ("", ())
        with self._whole():
            before = self._base.total_changes
            self._base.execute(
                "UPDATE objects SET state = 'built', attempts = 0, due = ?, changed = ? "
                f"WHERE state IN ('built', 'failed', 'expired') {where}",
                (time.time(), time.time(), *values),
            )
            return self._base.total_changes - before

    def entries(self, state: State | None = None) -> list[Entry]:
        """All objects, or those of a state, in the order in which they came."""
        return list(self._select("state = ?", (state,)) if state else self._select("1", ()))

    def uncommitted(self, archive: str, before: float) -> list[Entry]:
        """What an archive took before a time and has not confirmed."""
        return list(self._select("state = 'sent' AND archive = ? AND changed <= ?", (archive, before)))

    def counts(self) -> dict[str, int]:
        """How many objects are in each state."""
        return dict(self._base.execute("SELECT state, COUNT(*) FROM objects GROUP BY state").fetchall())

    def _mark(self, numbers: Sequence[int], state: State, reason: str) -> None:
        with self._whole():
            self._base.executemany(
                "UPDATE objects SET state = ?, attempts = attempts + 1, changed = ?, reason = ?"
                " WHERE number = ?",
                [(state, time.time(), reason, number) for number in numbers],
            )

    def _by_object(
        self, archive: str, objects: Sequence[str], state: State, reason: str, *, only: State
    ) -> None:
        now = time.time()
        with self._whole():
            self._base.executemany(
                "UPDATE objects SET state = ?, due = ?, changed = ?, reason = ?"
                " WHERE archive = ? AND object = ? AND state = ?",
                [(state, now, now, reason, archive, each, only) for each in objects],
            )

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[Entry]:
        columns = (
            "number, archive, series, object, class, file, session, state, attempts, due, changed, reason"
        )
        query = f"SELECT {columns} FROM objects WHERE {where} ORDER BY number"
        with closing(self._base.execute(query, values)) as rows:
            for row in rows.fetchall():
                number, archive, series, name, kind, file, *rest = row
                yield Entry(
                    number=number,
                    archive=archive,
                    series=series,
                    object=name,
                    kind=kind,
                    file=Path(file),
                    **dict(
                        zip(("session", "state", "attempts", "due", "changed", "reason"), rest, strict=True)
                    ),
                )

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of it or nothing, and on the disk when it is done."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")
