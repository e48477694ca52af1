"""What is said to the peer: whole messages in order, written by one thread; whoever says them never waits."""

import socket
import threading
import time
from collections.abc import Callable

from server.backlog import Backlog, BacklogError
from server.secure import SecureSocket

PIECE = 1 << 18
"""Bytes given to the socket at a time; the socket's timeout counts for each."""


class Replies:
    """The way back to the peer. Messages are written whole and in order; ``conclude`` is the last word.

    A peer that does not read stops nobody: its replies wait in ``backlog``. Beyond its limit nothing more
    is written, and ``full`` is told why, once.
    """

    def __init__(
        self,
        connection: socket.socket | SecureSocket,
        backlog: Backlog,
        full: Callable[[str], None],
    ) -> None:
        self._socket, self._backlog, self._full = connection, backlog, full
        self._turn = threading.Condition()
        self._done = self._gone = False
        self._moved = time.monotonic()
        self.fault = ""
        """Why the peer did not get all; empty while it may, and when it has left."""
        self._thread = threading.Thread(target=self._write, name="replies", daemon=True)
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Queue one message; a peer that is gone swallows it."""
        with self._turn:
            if self._done or self._gone:
                return
            if self._add(message):
                return
            fault = self.fault
        self._full(fault)

    def conclude(self, *messages: bytes) -> None:
        """Queue the last messages and half-close behind them; only the first conclusion counts."""
        with self._turn:
            for message in () if self._done or self._gone else messages:
                if not self._add(message):
                    break
            self._done = True
            self._turn.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait until everything is written; False when the peer takes nothing for so long, or is given up."""
        began = time.monotonic()
        while self._thread.is_alive():
            rest = max(self._moved, began) + seconds - time.monotonic()
            if self._gone or rest <= 0:
                return False
            self._thread.join(min(rest, 0.2))
        return not self._gone

    def abandon(self, fault: str = "") -> None:
        """Write nothing more; what is queued is dropped."""
        with self._turn:
            self._give_up(fault)

    def _add(self, message: bytes) -> bool:
        try:
            self._backlog.add(message)
        except BacklogError as error:
            self._give_up(str(error))
            return False
        self._turn.notify_all()
        return True

    def _give_up(self, fault: str) -> None:
        if not self._gone:
            self._gone, self.fault = True, fault
        self._backlog.clear()
        self._turn.notify_all()

    def _next(self) -> bytes | None:
        """The next message; None when there will be none."""
        with self._turn:
            self._turn.wait_for(lambda: len(self._backlog) or self._done or self._gone)
            return self._backlog.take() if len(self._backlog) else None

    def _write(self) -> None:
        try:
            while (message := self._next()) is not None:
                self._put(memoryview(message))
            if not self._gone:
                self._socket.shutdown(socket.SHUT_WR)
        except TimeoutError:
            self.abandon("the peer stopped reading its replies")
        except OSError:
            self.abandon()

    def _put(self, message: memoryview) -> None:
        for start in range(0, len(message), PIECE):
            self._socket.sendall(message[start : start + PIECE])
            self._moved = time.monotonic()
