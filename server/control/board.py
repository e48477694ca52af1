"""What is known of the server and its sessions, as their events say; bounded, whatever comes."""

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.control.events import STATES, Event, words
from server.control.totals import Totals

SESSIONS = 200
"""Sessions that are remembered, running and ended."""

WARNINGS = 8
"""Warnings whose text is kept, for each session."""

PICTURED, SERIES = 8, 12
"""The newest sessions of which pictures are kept once they have ended, and series of one session."""

FINAL = frozenset(STATES[3:])
ROW: Mapping[str, Any] = {
    "state": "waiting",
    "peer": None,
    "chain": None,
    "worker_pid": None,
    "keeper_pid": None,
    "started": None,
    "seconds": 0.0,
    "bytes": 0,
    "readouts": 0,
    "images": 0,
    "lag": 0.0,
    "gadgets": [],
    "error": "",
    "kind": "",
}
"""A session of which nothing is known yet."""


@dataclass
class Session:
    """What one session said last."""

    facts: dict[str, Any] = field(default_factory=lambda: dict(ROW))
    warnings: int = 0
    texts: deque[str] = field(default_factory=lambda: deque(maxlen=WARNINGS))
    previews: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The last picture of each series, that of the last image last."""

    seen: int = 0
    """Pictures so far."""

    views: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last picture of each kind of what came in, by its name."""

    viewed: int = 0
    """Of those so far."""

    @property
    def ended(self) -> bool:
        """Whether its outcome is known."""
        return self.facts["state"] in FINAL

    def take(self, event: Event) -> None:
        """Note an event; behind the outcome only warnings count."""
        if event.kind == "warning":
            self.warnings += 1
            self.texts.append(words(event.fields["template"], event.fields.get("values", {})))
        elif event.kind == "preview":
            self._see(event.fields)
        elif event.kind == "view":
            self.views[event.fields.get("name", "")] = event.fields
            self.viewed += 1
        elif not self.ended:
            self.facts.update(event.fields)
            self.facts["seconds"] = self._age()

    def shown(self, name: str) -> dict[str, Any]:
        """The session as plain values."""
        if not self.ended:
            self.facts["seconds"] = self._age()
        return {
            "id": name,
            **self.facts,
            "warnings": self.warnings,
            "texts": list(self.texts),
            "preview": self.seen if self.previews else 0,
            "series": sorted(self.previews),
            "view": self.viewed,
            "views": sorted(self.views),
        }

    def _see(self, fields: Mapping[str, Any]) -> None:
        series = int(fields.get("series", 0))
        self.previews.pop(series, None)
        self.previews[series] = fields
        self.seen += 1
        while len(self.previews) > SERIES:
            del self.previews[next(iter(self.previews))]

    def _age(self) -> float:
        started = self.facts["started"]
        return 0.0 if started is None else max(0.0, round(time.time() - started, 3))

    def mourn(self) -> bool:
        """Whether it is lost: its keeper is gone without an outcome."""
        keeper = self.facts["keeper_pid"]
        lost = not self.ended and keeper is not None and not alive(keeper)
        if lost:
            self.facts |= {
                "state": "lost",
                "error": "the keeper died without saying how the session ended",
                "kind": "death",
                "seconds": self._age(),
            }
        return lost


class Board:
    """All sessions, the newest last."""

    def __init__(self, sessions: int = SESSIONS) -> None:
        self._most = sessions
        self._sessions: dict[str, Session] = {}
        self._totals = Totals()
        self._heard = 0.0
        self._server: dict[str, Any] = {
            "pid": None,
            "port": None,
            "since": None,
            "draining": False,
            "ready": False,
            "fault": "",
            "limits": {},
        }
        self._http: str | None = None

    def take(self, event: Event) -> None:
        """Note an event."""
        if event.kind == "server":
            facts = dict(event.fields)
            self._heard = time.monotonic()
            self._http = facts.pop("http", self._http)
            self._server.update(facts)
            return
        if event.session not in self._sessions:
            self._sessions[event.session] = Session()
            self._forget()
            self._clear()
        session = self._sessions[event.session]
        before, ended = dict(session.facts), session.ended
        session.take(event)
        self._totals.warnings += event.kind == "warning"
        self._totals.grow(before, session.facts)
        if session.ended and not ended:
            self._totals.ended(session.facts)

    def snapshot(self) -> dict[str, Any]:
        """The server, its sessions, their totals, and the address of health and metrics, as plain values."""
        for session in self._sessions.values():
            if session.mourn():
                self._totals.ended(session.facts)
        heard = round(time.monotonic() - self._heard, 3) if self._heard else None
        return {
            "server": {**self._server, "heard": heard},
            "totals": self._totals.shown(),
            "sessions": [session.shown(name) for name, session in self._sessions.items()],
            "http": self._http,
        }

    def preview(self, name: str, series: int | None = None) -> Mapping[str, Any] | None:
        """The last picture of a session, or of one of its series."""
        found = self._sessions.get(name)
        previews = found.previews if found else {}
        return previews.get(next(reversed(previews), 0) if series is None else series)

    def view(self, name: str, what: str) -> Mapping[str, Any] | None:
        """The last picture of what came in to a session, by its name."""
        found = self._sessions.get(name)
        return found.views.get(what) if found else None

    def _clear(self) -> None:
        """Keep no pictures of sessions that have ended, but of the newest ones."""
        for session in list(self._sessions.values())[:-PICTURED]:
            if session.ended:
                session.previews.clear()
                session.views.clear()

    def _forget(self) -> None:
        """Make room: the oldest that ended, else the oldest."""
        if len(self._sessions) > self._most:
            ended = (name for name, session in self._sessions.items() if session.ended)
            del self._sessions[next(ended, next(iter(self._sessions)))]


def alive(process: int) -> bool:
    """Whether there is such a process; a zombie counts as one."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
