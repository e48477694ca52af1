"""What is said to a server that is not to fall into a trap, and what comes back."""

import socket
import time

import numpy as np

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from server.client import converse
from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.scans import said, scan

FFT = "cartesian_fft"
XML, ITEMS = SCAN = scan(repetitions=2)
START = encode.config_file(FFT) + encode.header(XML)
PASSING = encode.config_file("default_measurement_dependencies") + encode.header(XML)
"""A chain that leaves images alone."""


class Reply:
    """What came back for some bytes; ``told`` is how long after the last of them the end was known."""

    def __init__(self, server, *pieces, patience=30):
        self.images, self._heard = [], []
        self.answer = converse(
            server.address,
            self._sent(pieces),
            self.images.append,
            self._note,
            patience=patience,
        )
        self.told = max(0.0, (self._heard[-1] if self._heard else time.monotonic()) - self._last)
        self.error = self.answer.error

    def _note(self, text):
        """Warnings come early; an error is the end."""
        if text.startswith("ERROR"):
            self._heard.append(time.monotonic())

    def _sent(self, pieces):
        for piece in pieces:
            yield piece
            self._last = time.monotonic()


def send(server, *pieces, **options):
    return Reply(server, *pieces, **options)


def bare(server, data, *, end=True):
    """All messages that come back to plain bytes, and after how many seconds the last one came."""
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(data)
        begin = time.monotonic()
        if end:
            connection.shutdown(socket.SHUT_WR)
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
        return found, time.monotonic() - begin


def names(messages):
    return [type(each).__name__ for each in messages]


def newest(server):
    return server.records[-1]


def good(server):
    """The next scan works."""
    reply = send(server, said(FFT, SCAN))
    assert not reply.error
    assert len(reply.images) == 2


def picture(data, series=1):
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"] = series
    return Image(data=data, head=head)
