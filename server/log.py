"""Logging: one event a line on standard error, as text or JSON, without what identifies a patient.

A process that serves one session says so in ``belong``; from then on its lines carry the session's name. What
``hide`` was given stands in no line, be it a message, a traceback, or what a plug-in prints.
"""

import io
import json
import logging
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from server.identifiers import without

Form = Literal["text", "json"]

LONGEST = 2000
"""Characters of a printed line."""


@dataclass
class Context:
    """What the lines of this process have in common."""

    session: str = ""
    hidden: frozenset[str] = field(default_factory=frozenset)


HERE = Context()


def begin(verbose: bool, form: Form = "text") -> None:
    """Set up the root logger."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMS[form]())
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


def belong(session: str) -> None:
    """From now on this process serves one session."""
    HERE.session = session


def hide(words: Collection[str]) -> None:
    """Let none of the words stand in a line of this process."""
    HERE.hidden = HERE.hidden | frozenset(words)


class Lines(logging.Formatter):
    """Text: when, how grave, what; tracebacks below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One event, without what is hidden."""
        return without(super().format(record), HERE.hidden)


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``where``, ``session``, ``message``, ``traceback``;
    at a session's end ``outcome``, an object."""

    def format(self, record: logging.LogRecord) -> str:
        """One event, without what is hidden."""
        facts = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "session": HERE.session,
            "message": without(record.getMessage(), HERE.hidden),
        }
        if record.exc_info:
            facts["traceback"] = without(self.formatException(record.exc_info), HERE.hidden)
        line = json.dumps({name: value for name, value in facts.items() if value})
        outcome = getattr(record, "outcome", None)
        if isinstance(outcome, dict):
            line = f'{line[:-1]}, "outcome": {without(json.dumps(outcome), HERE.hidden)}}}'
        return line


FORMS = {"text": Lines, "json": JsonLines}


class Printed(io.TextIOBase):
    """A stream whose lines become events: what gadgets print is held to the same rules."""

    def __init__(self, level: int) -> None:
        self._level, self._lock, self._rest = level, threading.Lock(), ""

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, text: str) -> int:
        """Take a piece; a line is said when it is whole, or longer than a line may be."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > LONGEST:
                lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            if line.strip():
                logging.getLogger(__name__).log(self._level, "printed: %s", line[:LONGEST])
        return len(text)


def capture() -> None:
    """Have all that this process prints, warns of or dies of in a thread become events."""
    sys.stdout, sys.stderr = Printed(logging.INFO), Printed(logging.WARNING)
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "a thread"
    if failed.exc_value is not None:
        logging.getLogger(__name__).error("%s failed", name, exc_info=failed.exc_value)
