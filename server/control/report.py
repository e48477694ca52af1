"""How a session tells what it does: at once or not at all, to whoever listens."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from server.control.events import pack, sayable
from server.control.folder import EVENTS, address

DEPTH = 64
"""Events that wait for a slow listener before more are dropped."""

LASTING = ("session", "worker")
"""What is said again, so that a collector that came later knows it too."""

AGAIN = 5.0
"""Seconds between saying lasting facts again."""


class Reporter:
    """One session's voice. Any thread may say; nothing ever waits, and nothing is ever raised.

    It starts a thread of ZeroMQ's at its first word: make it where nothing forks afterwards.
    """

    def __init__(self, folder: Path, session: str) -> None:
        self._folder = folder
        self._session = session
        self._lock = threading.Lock()
        self._lasting: dict[str, dict[str, Any]] = {}
        self._next = 0.0
        self._process = 0
        self._context: Any = None
        self._socket: Any = None
        self.dropped = 0
        """Events that nobody took in time."""
        self.refused = 0
        """Events and fields that may not be said: unknown ones, and values that they may not have."""

    def say(self, kind: str, /, **fields: Any) -> None:  # noqa: ANN401 - checked by the kind of event
        """Send one event, with what ``server.control.events.FIELDS`` lets it have; the rest is left out."""
        try:
            said = sayable(kind, fields)
            self.refused += len(fields) - len(said)
            event = pack(self._session, kind, said)
        except (TypeError, ValueError, RecursionError):
            self.refused += 1
            return
        with self._lock:
            self._send(event)
            self._repeat(kind, said)

    def close(self, seconds: float = 0.2) -> None:
        """Give the last events at most so long to leave, and end."""
        with self._lock:
            if self._socket is not None and self._process == os.getpid():
                self._socket.close(linger=int(1000 * seconds))
                self._context.term()
            self._socket = None

    def _repeat(self, kind: str, fields: dict[str, Any]) -> None:
        """Keep lasting facts, and with every other event say them again when it is time."""
        now = time.monotonic()
        if kind in LASTING:
            self._lasting.setdefault(kind, {}).update(fields)
        elif kind == "progress" and now >= self._next:
            for each, known in self._lasting.items():
                self._send(pack(self._session, each, known))
            self._next = now + AGAIN

    def _send(self, event: bytes) -> None:
        import zmq

        try:
            self._open().send(event, zmq.DONTWAIT)
        except (zmq.ZMQError, OSError):
            self.dropped += 1

    def _open(self) -> Any:  # noqa: ANN401 - zmq is imported only where it is used
        """The socket, made by the process that uses it."""
        if self._socket is None or self._process != os.getpid():
            import zmq

            self._process = os.getpid()
            self._context = zmq.Context()
            self._socket = self._context.socket(zmq.PUSH)
            self._socket.set_hwm(DEPTH)
            self._socket.linger = 0
            self._socket.connect(f"ipc://{address(self._folder, EVENTS)}")
        return self._socket
