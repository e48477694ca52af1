"""What waits for the archives, counted when it is asked for."""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

STATES = ("built", "sent", "committed", "failed", "expired")


def waiting(folder: Path) -> tuple[dict[str, int], float]:
    """Objects in an outbox by state, and for how long the oldest has waited [s]; zeros where there is none.

    It only reads: the table's owner may write meanwhile.
    """
    counts, oldest = dict.fromkeys(STATES, 0), 0.0
    file = folder / "outbox.db"
    if file.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as base:
            counts |= dict(base.execute("SELECT state, COUNT(*) FROM objects GROUP BY state").fetchall())
            (first,) = base.execute("SELECT MIN(changed) FROM objects WHERE state = 'built'").fetchone()
            oldest = max(0.0, time.time() - first) if first else 0.0
    return counts, oldest
