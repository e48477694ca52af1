"""The load: a scan serialised in memory, sent as fast as the socket takes it; replies are timed."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.client import Answer, conversation, converse
from server.files.scan import read_scan
from server.wire.messages import ConfigText

PIECE = 1 << 20
"""Bytes handed to the socket at once."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """One scan as bytes."""

    start: bytes
    """Configuration and header."""

    data: bytes = field(repr=False)
    """Readouts, and CLOSE."""

    def parts(self) -> Iterator[memoryview]:
        """The conversation in pieces, nothing of it copied."""
        yield memoryview(self.start)
        view = memoryview(self.data)
        for at in range(0, len(view), PIECE):
            yield view[at : at + PIECE]

    def named(self, config: str) -> "Load":
        """The same scan for another chain."""
        return Load(start=self.start.replace(self.start[:1026], _config(config)), data=self.data)


def load(path: Path, config: str | ConfigText) -> Load:
    """The scan of a file for a chain, serialised."""
    scan = read_scan(path)
    start, header, *rest = conversation(config, scan.xml, scan.runs())
    return Load(start=start + header, data=b"".join(rest))


def _config(name: str) -> bytes:
    return struct.pack("<H1024s", 1, name.encode())


def send(port: int, scan: Load, received: Callable[..., None] = lambda image: None) -> Answer:
    """Send a scan and read what comes back.

    Raises RuntimeError when the server did not give an image, or said an error.
    """
    answer = converse(("127.0.0.1", port), scan.parts(), received, patience=120)  # type: ignore[arg-type]
    if answer.error or not answer.images:
        raise RuntimeError(f"no image: {answer.error or answer.texts}")
    return answer


def into_nothing(scan: Load, size: int = PIECE) -> float:
    """Seconds that this client takes to send a scan to a peer that only receives: what it cannot undercut."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sink = threading.Thread(target=_swallow, args=(listener, size), daemon=True)
        sink.start()
        begin = time.perf_counter()
        with socket.create_connection(listener.getsockname()) as connection:
            for part in scan.parts():
                connection.sendall(part)
        sink.join()
        return time.perf_counter() - begin


def _swallow(listener: socket.socket, size: int) -> None:
    connection, _ = listener.accept()
    waste = bytearray(size)
    with connection:
        while connection.recv_into(waste):
            pass


def last(answers: Sequence[Answer]) -> list[float]:
    """Seconds from connect to each last image."""
    return [answer.arrived[-1] for answer in answers]
