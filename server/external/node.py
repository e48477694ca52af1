"""A chain of ours as the external step of a Gadgetron: its server sends the stream, what we make goes back.

The conversation of such a node: CONFIG, HEADER, data, CLOSE; we answer with data, ERROR at a failure, CLOSE.
"""

import logging
import socket
from collections.abc import Iterator
from typing import Any

from gadgets.data import Image, Kspace, Reference, Text
from gadgets.image.label import Labels
from server.chain import SINK, SOURCE, build
from server.engine.line import run
from server.errors import ProtocolError, ScansideError
from server.external.conversation import LIMITS
from server.external.items import Outgoing, answers
from server.step import AnyStep
from server.wire import encode
from server.wire import messages as said
from server.wire.buffer import Buffer
from server.wire.header import read_header

log = logging.getLogger(__name__)

BUFFERS = (Kspace, Reference)
"""What travels between the nodes of a Gadgetron beside what a scanner sends."""


def serve(connection: socket.socket, steps: list[AnyStep]) -> BaseException | None:
    """Run the chain on one scan; what ended it early, if anything did. The Gadgetron has been told."""
    messages = Buffer(LIMITS, nodes=True).messages(connection.recv_into)
    fault: BaseException | None = None
    try:
        _scan(connection, messages, steps)
    except (ScansideError, OSError) as error:
        fault = error
    except Exception as error:
        log.exception("the chain failed")
        fault = error
    try:
        if fault is not None:
            connection.sendall(encode.failure(str(fault)))
        connection.sendall(encode.close())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            continue
    except OSError:
        return fault
    return fault


def _scan(connection: socket.socket, messages: Iterator[Any], steps: list[AnyStep]) -> None:
    scan = read_header(_header(messages))
    outgoing, labels = Outgoing(scan), Labels(scan)
    chain = build(steps, (*SOURCE, *BUFFERS), (*SINK, *BUFFERS))

    def source() -> Iterator[Any]:
        for message in messages:
            if isinstance(message, said.Close):
                return
            yield from answers(message, scan, {})
        raise ProtocolError("the stream ended without CLOSE")

    for item in run(chain, source(), scan):
        if isinstance(item, Text):
            log.log(logging.WARNING if item.level == "warning" else logging.INFO, item.text)
        elif outgoing.takes(item):
            connection.sendall(outgoing.words(labels.label(item) if isinstance(item, Image) else item))


def _header(messages: Iterator[Any]) -> str:
    """What comes before the data: a configuration, which is not used, and the header."""
    for message in messages:
        if isinstance(message, said.Header):
            return message.xml
        if not isinstance(message, said.ConfigFile | said.ConfigText):
            raise ProtocolError(f"{type(message).__name__} came before the header")
    raise ProtocolError("the stream ended before the header")
