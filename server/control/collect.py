"""The process beside the listener that hears all sessions and answers who asks how they are."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from server.control.board import Board
from server.control.commands import sweep
from server.control.events import LIMIT, pack, unpack
from server.control.folder import EVENTS, SERVER, STATUS, address
from server.errors import ControlError

DEPTH = 256
"""Events that wait for the collector, from each session."""

PERIOD = 200
"""Milliseconds after which a signal is noticed that came to a thread of ZeroMQ's."""

BURST = 1000
"""Events that are taken before a question is answered."""


class Collector:
    """The collector as its parent, the listener, sees it: a pipe, so that the listener needs no thread.

    The collector ends when the listener and all that it forked have gone, for then the pipe ends.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "server.control", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert self.process.stdin is not None
        self._pipe = self.process.stdin.fileno()
        os.set_blocking(self._pipe, False)

    def say(self, kind: str, session: str = SERVER, **fields: Any) -> None:  # noqa: ANN401 - checked by kind
        """Tell the collector a ``server`` event, or one about a session; dropped when it does not listen."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            line = pack(session, kind, fields) + b"\n"
            if len(line) <= 4096:
                os.write(self._pipe, line)

    def stop(self, seconds: float = 2.0) -> None:
        """End the collector."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def collect(folder: Path, source: int) -> None:
    """Collect and answer until SIGTERM, or until the pipe ``source`` of the listener ends.

    Raises ControlError when another collector holds the folder.
    """
    import zmq

    os.umask(0o077)
    with _held(folder), zmq.Context() as context:
        sweep(folder)
        events, asked = context.socket(zmq.PULL), context.socket(zmq.ROUTER)
        for each, name in ((events, EVENTS), (asked, STATUS)):
            each.set_hwm(DEPTH)
            each.maxmsgsize = LIMIT
            each.linger = 0
            each.bind(f"ipc://{address(folder, name)}")
        signal.signal(signal.SIGTERM, _leave)
        try:
            _serve(Board(), events, asked, source)
        finally:
            events.close()
            asked.close()


def _serve(board: Board, events: Any, asked: Any, source: int) -> None:  # noqa: ANN401 - sockets of zmq
    import zmq

    poller = zmq.Poller()
    for each in (events, asked, source):
        poller.register(each, zmq.POLLIN)
    rest = b""
    while True:
        ready = dict(poller.poll(PERIOD))
        if source in ready:
            data = os.read(source, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            _take(board, iter(lines))
            rest = rest if len(rest) <= LIMIT else b""
        if events in ready:
            _take(board, _waiting(events))
        if asked in ready:
            _answer(board, asked)


def _take(board: Board, messages: Iterator[bytes]) -> None:
    """Note what can be understood; the rest is noise."""
    for message in messages:
        with contextlib.suppress(ValueError, TypeError):
            board.take(unpack(message))


def _waiting(events: Any) -> Iterator[bytes]:  # noqa: ANN401 - a socket of zmq
    import zmq

    with contextlib.suppress(zmq.Again):
        for _ in range(BURST):
            yield events.recv_multipart(zmq.DONTWAIT)[0]


def _answer(board: Board, asked: Any) -> None:  # noqa: ANN401 - a socket of zmq
    """The whole snapshot, or one picture of a session."""
    import zmq

    with contextlib.suppress(zmq.ZMQError):
        *route, question = asked.recv_multipart(zmq.DONTWAIT)
        try:
            said = json.loads(question)
        except (ValueError, RecursionError):
            said = None
        answer = _picture(board, said) if isinstance(said, dict) and said.get("preview") else board.snapshot()
        asked.send_multipart([*route, json.dumps(answer).encode()], zmq.DONTWAIT)


def _picture(board: Board, said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of an image, or of what comes in, of the session that is named."""
    name, series, view = (said.get(each) for each in ("preview", "series", "view"))
    if not isinstance(name, str):
        return None
    if isinstance(view, str):
        return board.view(name, view)
    return board.preview(name, series if isinstance(series, int) else None)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder for this process alone."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ControlError(f"another server uses the runtime folder {folder}") from None
        yield


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)
