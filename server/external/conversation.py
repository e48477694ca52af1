"""What is said to another node and what it answers: both at once, bounded by what either side takes."""

import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from server.errors import ExternalError, ProtocolError
from server.external.child import Child
from server.wire import encode
from server.wire import messages as said
from server.wire.buffer import Buffer
from server.wire.kinds import Limits

LIMITS = Limits(message=1 << 32, meta=1 << 24)
"""Whole volumes travel in one message."""

PULSE = 0.1
"""Seconds between two looks at whether the other one hangs."""

EARLY = "closed before the scan's end"
HANGS = "hangs"


class Conversation:
    """One connection to another node: a thread speaks, the caller listens."""

    def __init__(self, connection: socket.socket, what: str, patience: float, child: Child | None) -> None:
        self._socket, self._what, self._patience, self._child = connection, what, patience, child
        self._socket.setblocking(False)
        self._moved = time.monotonic()
        self._owed = False
        """It has to act now: to read what we write, or to answer our CLOSE."""

        self._closed = False
        self._reset = False
        """Its side was closed although it had not read all: TCP then resets the connection."""

        self._fault: BaseException | None = None

    def hold(self, words: Iterable[bytes]) -> Iterator[Any]:
        """Say ``words`` and CLOSE; give what is answered, up to the other one's CLOSE.

        Raises ExternalError, with its last words, when it fails, hangs, or ends before we did; and what
        ``words`` raises, after which nothing more is given.
        """
        self._speaker = threading.Thread(target=self._speak, args=(words,), name=self._what, daemon=True)
        self._speaker.start()
        try:
            for message in Buffer(LIMITS, nodes=True).messages(self._receive):
                if isinstance(message, said.Close):
                    break
                if isinstance(message, said.Failure):
                    raise ExternalError(f"{self._what}: {message.text}")
                yield message
                self._moved = time.monotonic()
            else:
                self._end(EARLY if self._early() else "ended its connection without CLOSE")
            while self._receive(memoryview(bytearray(1 << 16))):
                continue
            self._conclude()
        except ProtocolError as error:
            raise ExternalError(f"{self._what} sent what cannot be read: {error}") from None

    def _speak(self, words: Iterable[bytes]) -> None:
        try:
            for each in words:
                self._write(each)
            self._closed = True
            self._write(encode.close())
            self._owed = True
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: handed to the listener
            self._fault = self._fault or error
            if not isinstance(error, OSError):
                self._shut()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        self._moved, self._owed = time.monotonic(), True
        while view:
            select.select([], [self._socket], [])
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                continue
            self._moved = time.monotonic()
        self._owed = False

    def _receive(self, view: memoryview) -> int:
        while not select.select([self._socket], [], [], PULSE)[0]:
            if self._owed and time.monotonic() - self._moved > self._patience:
                if self._child:
                    self._child.dump()
                self._end(f"{HANGS}: it did nothing for {self._patience:g} s")
        try:
            count = self._socket.recv_into(view)
        except ConnectionError:
            count, self._reset = 0, True
        self._moved = time.monotonic()
        return count

    def _conclude(self) -> None:
        """After its CLOSE: it must have read all, ours too, and end well."""
        code = self._child.wait(min(self._patience, 10.0)) if self._child else 0
        early = self._early()
        if early or code:
            self._end(EARLY if early else "failed")
        if code is None:
            self._end("does not end")

    def _early(self) -> bool:
        """Whether its side ended before it had read all of ours; asked when the connection is at its end."""
        if self._closed:  # so that our last words have left or have failed
            self._speaker.join(self._patience)
        return self._reset or not self._closed or self._fault is not None

    def _end(self, how: str) -> None:
        """Raise what ended the conversation: our own fault first, then its."""
        fault = self._fault
        if fault is not None and not isinstance(fault, OSError):
            raise fault
        code = self._child.wait(2.0) if self._child else None
        words = self._child.words() if self._child else ""
        if code and not how.startswith(HANGS):
            how = f"failed (exit code {code})" if code > 0 else f"was ended by signal {-code}"
        raise ExternalError(f"{self._what} {how}" + (f": {words}" if words else ""))

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def connected(address: str, patience: float) -> socket.socket:
    """A connection to a program that runs already.

    Raises ExternalError when there is none.
    """
    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host, int(port)), patience)
    except (OSError, ValueError) as error:
        raise ExternalError(f"external at {address} cannot be reached: {error}") from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
