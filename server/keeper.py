"""One connection: receives, answers what needs no chain, hands the scan to a worker, and keeps its word.

A failure ends the reconstruction, never the reception: the peer is told (TEXT, CLOSE, half-close), and what
it still sends is received to its CLOSE.
"""

import logging
import socket
import time
from collections.abc import Iterator

from gadgets.errors import ScansideError
from server import parameters
from server.chain import Step, named, parse
from server.engine.channel import Closed
from server.errors import ChainError, ProtocolError
from server.queries import answer
from server.replies import Replies
from server.settings import Settings
from server.wire import encode
from server.wire import messages as said
from server.wire.buffer import Buffer
from server.wire.order import DATA, State, after
from server.worker import Assignment, Outcome, Worker

log = logging.getLogger(__name__)

PROBES = ("isalive.xml", "gtquery.xml")
"""Configurations by which Gadgetron's tools ask whether a server is alive."""

DRAIN = 10.0
"""Seconds that a peer has to close its side after it was told the end."""


class Keeper:
    """One connection from accept to close; ``serve`` returns its outcome."""

    def __init__(self, connection: socket.socket, settings: Settings, name: str = "") -> None:
        self._socket, self._settings, self._name = connection, settings, name
        self._replies = Replies(connection)
        self._state = State.CONFIG
        self._config: said.ConfigFile | said.ConfigText | None = None
        self._header = ""
        self._parameters: dict[str, object] = {}
        self._worker: Worker | None = None
        self.outcome = Outcome()
        self._over = False

    def serve(self) -> Outcome:
        """Receive to the end and see the worker out."""
        buffer = Buffer(self._settings.limits)
        try:
            for message in buffer.messages(self._socket.recv_into):
                self._take(message)
                if self._state is State.DONE:
                    break
            else:
                self._cut(buffer)
        except ProtocolError as error:
            self._fail(error)
            self._swallow()
        except OSError as error:
            self._fail(ProtocolError(f"the connection failed: {error}"))
        except Exception as error:  # noqa: BLE001 - the edge of a session: the peer must be told
            self._fail(error)
            self._swallow()
        self._end()
        return self.outcome

    def _take(self, message: said.Message) -> None:
        """Act on one message. A fault of the peer's order ends the scan, but the stream is still in step."""
        try:
            self._state = after(self._state, message)
            self._act(message)
        except ScansideError as error:
            self._fail(error)
        if isinstance(message, said.Close):
            self._state = State.DONE

    def _act(self, message: said.Message) -> None:
        match message:
            case said.ConfigFile() | said.ConfigText():
                self._config = message
            case said.Header():
                self._header = message.xml
            case said.TextMessage():
                self._heed(message.text)
            case said.Query():
                self._replies.send(answer(message))
            case said.Close():
                self._finish()
            case _ if isinstance(message, DATA):
                self._feed(message)

    def _heed(self, text: str) -> None:
        """FIRE's parameters, when they come before the data; any other text is for the log."""
        found = parameters.from_text(text)
        if found is not None and self._worker is None:
            self._parameters.update(found)
        else:
            log.info("%s: the peer says a text of %d characters", self._name, len(text))

    def _feed(self, item: said.Data | said.Unsupported) -> None:
        if self._over:
            return
        worker = self._worker or self._begin()
        try:
            worker.put(item)
        except Closed:
            self._over = True

    def _begin(self) -> Worker:
        assignment = Assignment(
            steps=self._steps(),
            header=self._header,
            parameters=self._parameters,
            profile=self._settings.profile,
        )
        self._worker = Worker(assignment, self._replies.send, self._told)
        return self._worker

    def _steps(self) -> list[Step]:
        """The chain that the peer named or wrote out; FIRE's parameters may name another."""
        if name := parameters.chosen(self._parameters):
            return named(name)
        if isinstance(self._config, said.ConfigText):
            return parse(self._config.text)
        if self._config is None:
            raise ChainError("no chain was named")
        return named(self._config.name)

    def _finish(self) -> None:
        """The peer's CLOSE: run the flush; a probe, or a session without a header, just ends."""
        if self._over:
            return
        probe = isinstance(self._config, said.ConfigFile) and self._config.name in PROBES
        if self._worker is None and self._config is not None and not probe:
            steps = self._steps()
            if self._header:
                self._begin()
            else:
                log.info("%s: CLOSE before a header, chain of %d gadgets", self._name, len(steps))
        if self._worker:
            self._worker.finish()

    def _cut(self, buffer: Buffer) -> None:
        """The connection ended without CLOSE; one on which nothing was said is only a probe."""
        if self._state is State.CONFIG and not buffer.pending:
            return
        where = f", {buffer.pending} bytes into a message" if buffer.pending else ""
        self._fail(
            ProtocolError(f"the connection ended without CLOSE while waiting for {self._state.value}{where}")
        )

    def _fail(self, error: Exception) -> None:
        """End the reconstruction and tell the peer; reception goes on."""
        if self._over:
            return
        self._over = True
        if self._worker:
            self._worker.fail(error)
        else:
            self._told(Outcome(error=error))

    def _told(self, outcome: Outcome) -> None:
        """The last word to the peer."""
        self.outcome = outcome
        last = [encode.close()]
        if outcome.error is not None:
            last.insert(0, encode.text(outcome.message, self._settings.profile, "error"))
        self._replies.conclude(*last)

    def _swallow(self) -> None:
        """The stream cannot be followed any more: take what still comes, to the peer's end or a limit."""
        until = time.monotonic() + self._settings.idle
        for count in _received(self._socket, self._settings.idle):
            if not count or time.monotonic() > until:
                return

    def _end(self) -> None:
        """Let the worker leave, write what is queued, half-close, and wait for the peer to do the same."""
        if self._worker:
            self._worker.join()
        self._replies.conclude(encode.close())
        if not self._replies.join(self._settings.patience):
            self._replies.abandon()
        until = time.monotonic() + DRAIN
        for count in _received(self._socket, DRAIN):
            if not count or time.monotonic() > until:
                break
        self._socket.close()


def _received(connection: socket.socket, seconds: float) -> Iterator[int]:
    """How many bytes came, again and again, thrown away; ends with the connection or after ``seconds``."""
    waste = bytearray(1 << 16)
    connection.settimeout(seconds)
    try:
        while True:
            yield connection.recv_into(waste)
    except OSError:
        return
