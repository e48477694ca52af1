"""What is said to the peer: whole messages in order, written by one thread, never blocking the receiver."""

import socket
import threading

from gadgets.errors import Interrupted
from server.engine.channel import Channel, Closed
from server.secure import SecureSocket

BUDGET = 64 << 20
"""Bytes of replies that wait for a slow peer before the chain has to wait too."""


class Replies:
    """The way back to the peer. A message is written whole or not at all; ``conclude`` is the last word."""

    def __init__(self, connection: socket.socket | SecureSocket) -> None:
        self._socket = connection
        self._queue: Channel[bytes] = Channel(depth=1 << 16, budget=BUDGET, size=len)
        self._lock = threading.Lock()
        self._concluded = False
        self._thread = threading.Thread(target=self._write, name="replies", daemon=True)
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Queue one message; a peer that is gone swallows it."""
        try:
            self._queue.put(message)
        except Closed:
            return

    def conclude(self, *messages: bytes) -> None:
        """Queue the last messages and half-close behind them; only the first conclusion counts."""
        with self._lock:
            if self._concluded:
                return
            self._concluded = True
        for message in messages:
            self.send(message)
        self._queue.finish()

    def join(self, seconds: float) -> bool:
        """Wait until everything is written; False when the peer does not take it in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Write nothing more; what is queued is dropped."""
        self._queue.abandon()

    def _write(self) -> None:
        try:
            for message in self._queue:
                self._socket.sendall(message)
            self._socket.shutdown(socket.SHUT_WR)
        except (OSError, Interrupted):
            self._queue.abandon()
