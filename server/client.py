"""The scanner's side of a connection: sends a scan, reads what comes back."""

import contextlib
import importlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gadgets.data import Image, Readouts, Waveform
from server.errors import ProtocolError, ScansideError
from server.secure import SecureSocket, secured
from server.wire import encode
from server.wire import messages as said
from server.wire.buffer import Buffer
from server.wire.kinds import Profile

TICK = 2.5e-3
"""Seconds of one tick of the acquisition time stamps."""

DAY = round(24 * 3600 / TICK)


@dataclass
class Answer:
    """What a server said about one scan. Times [s] count from just before the connection."""

    texts: list[str] = field(default_factory=list)
    images: int = 0
    arrived: list[float] = field(default_factory=list)
    """When each image was complete."""
    sent: float | None = None
    """When the last byte was sent; None when it never was."""
    closed: bool = False
    """The server said CLOSE."""
    unsent: str = ""
    """Why the scan could not be sent to its end: the fault is its own."""
    fault: str = ""
    """Why the conversation failed, when the server did not say it."""

    @property
    def error(self) -> str:
        """What went wrong; empty for a good end. Of a scan cut short the server knows only that it was."""
        if self.unsent:
            return self.unsent
        told = [text for text in self.texts if text.startswith("ERROR")]
        if told:
            return told[0]
        if self.fault:
            return self.fault
        if not self.closed:
            return "the server ended the connection without CLOSE"
        return "" if self.sent is not None else "the scan was not sent to its end"


def converse(
    address: tuple[str, int],
    parts: Iterable[bytes],
    received: Callable[[Image], None] = lambda image: None,
    told: Callable[[str], None] = lambda text: None,
    patience: float = 300.0,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """Send all ``parts`` and read to the server's CLOSE; replies are handed on while parts still leave.

    It sends to the end whatever comes back; where the parts themselves fail it half-closes at once, so that
    the server ends too. ``patience`` [s] is how long it waits for a byte; with a ``context`` the connection
    is under TLS. Raises AccessError when the two cannot agree on that, ConnectionError without a server.
    """
    answer = Answer()
    importlib.import_module("torch")  # for the pixels: now, and not at the first image
    begin = time.perf_counter()
    with _connected(address, patience, context) as connection:
        sender = threading.Thread(target=_send, args=(connection, parts, answer, begin), daemon=True)
        sender.start()
        try:
            for message in Buffer().messages(connection.recv_into):
                _note(message, answer, begin, received, told)
                if answer.closed:
                    break
        except (OSError, ProtocolError) as error:
            answer.fault = str(error)
        sender.join(patience)
    return answer


def _connected(
    address: tuple[str, int], patience: float, context: ssl.SSLContext | None
) -> socket.socket | SecureSocket:
    try:
        connection = socket.create_connection(address, timeout=patience)
    except OSError as error:
        host, port = address
        raise ConnectionError(f"no connection to {host}:{port}: {error.strerror or error}") from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return connection
    try:
        return secured(connection, context, address[0])
    except ScansideError:
        connection.close()
        raise


def _note(
    message: said.Message,
    answer: Answer,
    begin: float,
    received: Callable[[Image], None],
    told: Callable[[str], None],
) -> None:
    match message:
        case Image():
            answer.images += 1
            answer.arrived.append(time.perf_counter() - begin)
            received(message)
        case said.TextMessage(text) | said.Response(_, text):
            answer.texts.append(text)
            if not (answer.unsent and text.startswith("ERROR")):
                told(text)
        case said.Close():
            answer.closed = True


def _send(
    connection: socket.socket | SecureSocket, parts: Iterable[bytes], answer: Answer, begin: float
) -> None:
    """Send all parts and half-close, also where they fail: the server must not wait for the rest."""
    try:
        for part in _sound(parts, answer):
            connection.sendall(part)
        answer.sent = None if answer.unsent else time.perf_counter() - begin
    except OSError as error:
        answer.fault = answer.fault or f"sending failed: {error.strerror or error}"
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


def _sound(parts: Iterable[bytes], answer: Answer) -> Iterator[bytes]:
    """The parts up to the first that cannot be had; the answer then says why."""
    try:
        yield from parts
    except (ScansideError, OSError) as error:
        answer.unsent = str(error)


def conversation(
    config: str | said.ConfigText,
    xml: str,
    items: Iterable[Readouts | Waveform],
    parameters: str = "",
    profile: Profile = encode.GADGETRON,
) -> Iterator[bytes]:
    """A scan as a scanner would say it: configuration, header, FIRE's parameters, data, CLOSE."""
    yield encode.config_file(config) if isinstance(config, str) else encode.config_text(config.text, profile)
    yield encode.header(xml, profile)
    if parameters:
        yield encode.text(parameters, profile)
    for item in items:
        yield encode.readouts(item) if isinstance(item, Readouts) else encode.waveform(item)
    yield encode.close()


def paced(items: Iterable[Readouts | Waveform], speed: float = 1.0) -> Iterator[Readouts | Waveform]:
    """The items one readout at a time, each when its time stamp says, ``speed`` times as fast."""
    begin, first, elapsed = time.perf_counter(), None, 0.0
    for item in items:
        if isinstance(item, Waveform):
            yield item
            continue
        for index in range(len(item.head)):
            stamp = int(item.head["acquisition_time_stamp"][index])
            first = stamp if first is None else first
            since = (stamp - first) % DAY
            elapsed = max(elapsed, since * TICK) if since < DAY // 2 else elapsed
            time.sleep(max(0.0, begin + elapsed / speed - time.perf_counter()))
            yield _one(item, index)


def _one(run: Readouts, index: int) -> Readouts:
    path = None if run.trajectory is None else run.trajectory[index : index + 1]
    return Readouts(head=run.head[index : index + 1], data=run.data[index : index + 1], trajectory=path)


def cut(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The first ``size`` bytes, as when the cable is pulled."""
    for part in parts:
        yield part[:size]
        size -= len(part)
        if size <= 0:
            return
