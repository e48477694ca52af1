"""What is to reach an archive, on disk until it has: a table of objects beside their files."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.dicom.schema import inside, opened

State = Literal["built", "sent", "committed", "failed", "expired"]
"""``built`` waits to be sent (again); ``failed`` will not be tried again by itself, nor will ``expired``."""

FIRST, LONGEST = 2.0, 900.0
"""Seconds before the second attempt, doubled with each; and at most."""


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
        self._base = opened(folder)

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
                [(*row[:4], inside(row[4], self.folder), session, now, now) for row in rows],
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

    def missing(self, archive: str, objects: Sequence[str], reason: str, most: int) -> None:
        """The archive has lost these: they are sent again, ever later, and at most ``most`` times in all.

        An archive that takes everything and keeps nothing would otherwise be sent it for ever.
        """
        wanted = set(objects)
        lost = self._select("state = 'sent' AND archive = ?", (archive,))
        self._later([each for each in lost if each.object in wanted], reason, most, tried=0)

    def fail(self, numbers: Sequence[int], reason: str) -> None:
        """These will never be taken as they are."""
        self._mark(numbers, "failed", reason)

    def later(self, numbers: Sequence[int], reason: str, most: int) -> None:
        """Try these again, each time after twice as long, and at most ``most`` times in all."""
        chosen = set(numbers)
        self._later(
            [each for each in self._select("state = 'built'", ()) if each.number in chosen], reason, most
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

    def _later(self, entries: Sequence[Entry], reason: str, most: int, tried: int = 1) -> None:
        """Try these again after they were tried ``tried`` times more."""
        now = time.time()
        with self._whole():
            for each in entries:
                attempts = each.attempts + tried
                state = "expired" if attempts >= most else "built"
                wait = min(FIRST * 2.0 ** max(attempts - 1, 0), LONGEST)
                self._base.execute(
                    "UPDATE objects SET state = ?, attempts = ?, due = ?, changed = ?, reason = ?"
                    " WHERE number = ?",
                    (state, attempts, now + wait, now, reason, each.number),
                )

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
                    file=self.folder / file,
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
