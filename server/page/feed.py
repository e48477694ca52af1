"""What the server says of itself, asked for once for all who watch; the slow ones get less of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from server.control.ask import preview, snapshot, view
from server.errors import ControlError

PERIOD = 0.5
"""Seconds between two questions."""

WATCHERS = 64
"""Who may watch at a time."""

IDLE = 15.0
"""Seconds after which a line is sent although nothing changed, to notice who has gone."""


class Feed:
    """The newest state, for any number of watchers; nobody asks the server while nobody watches."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watchers = 0
        self._text, self._number = "", 0
        self._changed = asyncio.Condition()
        self._asking: asyncio.Task[None] | None = None
        self._pictures: dict[tuple[str, int | str | None], tuple[int, Any]] = {}

    @property
    def full(self) -> bool:
        """Whether nobody more may watch."""
        return self._watchers >= WATCHERS

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events: the newest state whenever the watcher is ready for one, never an old one."""
        self._watchers += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        sent = -1
        try:
            while True:
                newer = await self._newer(sent)
                sent = self._number
                yield f"data: {self._text}\n\n" if newer else ": nothing new\n\n"
        finally:
            self._watchers -= 1

    async def _newer(self, sent: int) -> bool:
        """Wait for a state after ``sent``; False when there was none for long."""
        try:
            async with asyncio.timeout(IDLE), self._changed:
                while self._number == sent or not self._text:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def picture(self, session: str, what: int | str | None) -> dict[str, Any] | None:
        """The last picture of a session's series, or of what comes in to it by name.

        It is the same for all who ask while there is no newer state.
        """
        known = self._pictures.get((session, what))
        if known and known[0] == self._number:
            return dict(known[1]) if known[1] else None
        try:
            found = await asyncio.to_thread(_asked, self._folder, session, what)
        except ControlError:
            return None
        if len(self._pictures) > WATCHERS:
            self._pictures.clear()
        self._pictures[session, what] = (self._number, found)
        return found

    async def _ask(self) -> None:
        """Ask while somebody watches."""
        while self._watchers:
            try:
                text = json.dumps(await asyncio.to_thread(snapshot, self._folder))
            except ControlError as error:
                text = json.dumps({"fault": str(error)})
            if text != self._text:
                async with self._changed:
                    self._text, self._number = text, self._number + 1
                    self._changed.notify_all()
            await asyncio.sleep(PERIOD)


def _asked(folder: Path, session: str, what: int | str | None) -> dict[str, Any] | None:
    if isinstance(what, str):
        return view(folder, session, what)
    return preview(folder, session, what)
