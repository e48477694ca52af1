"""Scans of the spool sent to the server once more: it receives them as any other scan, beside all others."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.errors import AccessError
from server.spool.index import entry, records

AT_ONCE = 2
"""Re-runs at a time: real scanners come first."""

SHOWN = 200
"""Entries of the history, the newest."""

SAID = ("images", "error", "chain", "seconds")


def history(spool: Path) -> list[dict[str, Any]]:
    """What the spool holds, newest first: names, states and figures, nothing of a patient."""
    return [
        {
            "name": each.name,
            "begun": each.begun.isoformat(),
            "state": each.state,
            "bytes": each.size,
            **{name: each.outcome[name] for name in SAID if name in each.outcome},
        }
        for each in records(spool)[: -SHOWN - 1 : -1]
    ]


class Runs:
    """Starts them, and knows what became of them."""

    def __init__(self, spool: Path, port: int) -> None:
        self._spool, self._port = spool, port
        self._running: set[asyncio.Task[None]] = set()
        self.last: dict[str, str] = {}
        """By entry: what the last re-run said."""

    async def start(self, name: str, chain: str, parameters: Mapping[str, str]) -> None:
        """Send an entry again, with a chain of the server's own and parameters; returns at once.

        Raises SpoolError for an unknown entry, AccessError when enough are under way.
        """
        entry(self._spool, name)
        if len(self._running) >= AT_ONCE:
            raise AccessError(f"{AT_ONCE} re-runs are under way: wait for one of them")
        words = [sys.executable, "-m", "server.cli", "replay", str(self._spool / name)]
        words += ["--to", f"127.0.0.1:{self._port}", "--chain", chain]
        words += [each for key, value in parameters.items() for each in ("--param", f"{key}={value}")]
        self.last[name] = "running"
        task = asyncio.create_task(self._run(name, words))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, name: str, words: list[str]) -> None:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        said, _ = await child.communicate()
        text = said.decode(errors="replace").strip().splitlines()
        self.last[name] = "done" if child.returncode == 0 else (text or ["failed"])[-1][:300]
