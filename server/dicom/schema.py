"""The versions of the outbox's table: from each to the next, and back to the one before.

1: files by their whole path. 2: files by their path in the outbox's folder, so that a backup fits.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from server.errors import DicomError

VERSION = 2

NAME = "outbox.db"

TABLE = """
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
)
"""

INDEX = "CREATE INDEX IF NOT EXISTS waiting ON objects (state, due)"


def opened(folder: Path) -> sqlite3.Connection:
    """The table in a folder, of the version that this software knows; an older one is upgraded, once.

    Before it is, a copy of it is kept as ``outbox.db.v1`` (and so on). Raises DicomError for a newer one.
    """
    before = os.umask(0o077)
    try:
        base = sqlite3.connect(folder / NAME, timeout=30.0, isolation_level=None)
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        found = version(base)
        if found > VERSION:
            base.close()
            raise DicomError(f"{folder / NAME} has version {found}, this software knows {VERSION}")
        if 0 < found < VERSION:
            kept(base, folder / f"{NAME}.v{found}")
    finally:
        os.umask(before)
    if found != VERSION:
        move(base, folder, VERSION)
    return base


def version(base: sqlite3.Connection) -> int:
    """Of the table; 0 when there is none yet."""
    (found,) = base.execute("PRAGMA user_version").fetchone()
    return int(found)


def kept(base: sqlite3.Connection, copy: Path) -> None:
    """A copy of the table as it is now."""
    with closing(sqlite3.connect(copy)) as other:
        base.backup(other)


def move(base: sqlite3.Connection, folder: Path, target: int) -> None:
    """Bring the table to a version, newer or older, whole or not at all; what is in it is kept.

    Raises DicomError for a version that there never was.
    """
    if not 1 <= target <= VERSION:
        raise DicomError(f"the outbox's table has versions 1 to {VERSION}, not {target}")
    base.execute("BEGIN IMMEDIATE")
    try:
        found = version(base)
        if found == 0:
            base.execute(TABLE)
            base.execute(INDEX)
        while found and found != target:
            up = found < target
            STEPS[found if up else found - 1][0 if up else 1](base, folder)
            found += 1 if up else -1
        base.execute(f"PRAGMA user_version={target}")
        base.execute("COMMIT")
    except BaseException:
        base.execute("ROLLBACK")
        raise


def inside(file: Path, folder: Path) -> str:
    """How a file is written down: by its path in the folder, when it lies there."""
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)


def _rename(base: sqlite3.Connection, name: Callable[[str], str]) -> None:
    rows = base.execute("SELECT number, file FROM objects").fetchall()
    base.executemany("UPDATE objects SET file = ? WHERE number = ?", [(name(f), n) for n, f in rows])


def _relative(base: sqlite3.Connection, folder: Path) -> None:
    _rename(base, lambda file: inside(Path(file), folder))


def _whole(base: sqlite3.Connection, folder: Path) -> None:
    _rename(base, lambda file: str(folder / file))


STEPS = {1: (_relative, _whole)}
"""By version: how it becomes the next, and how the next becomes it again."""
