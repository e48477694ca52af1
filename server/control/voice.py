"""A session's voice: what it tells the collector, and the commands that it is given."""

from pathlib import Path
from typing import Any

from server.control.commands import Commands
from server.control.report import Reporter


class Voice:
    """Says events and takes commands; neither can stop a scan."""

    def __init__(self, folder: Path | None = None, session: str = "") -> None:
        self._reporter = Reporter(folder, session) if folder else None
        self._commands = Commands(folder, session) if folder else None

    def say(self, kind: str, /, **fields: Any) -> None:  # noqa: ANN401 - checked by the kind of event
        """Tell an event; it may be lost."""
        if self._reporter:
            self._reporter.say(kind, **fields)

    def commands(self) -> list[dict[str, Any]]:
        """What was asked of the session since the last time."""
        return self._commands.take() if self._commands else []

    def close(self) -> None:
        """Say no more."""
        if self._reporter and self._commands:
            self._reporter.close()
            self._commands.close()
