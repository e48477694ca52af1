"""Bytes in, messages out; no input or output of its own.

The caller keeps the bytes: it shows ``decode`` what it has, drops what was consumed, and shows the rest again
with more behind it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from gadgets.data import Image, Waveform
from gadgets.head import COMPRESSED, IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD
from server.errors import ProtocolError
from server.wire import composite as nodes
from server.wire import messages as said
from server.wire.extent import PIXEL, extent
from server.wire.kinds import Kind, Limits
from server.wire.meta import read_meta
from server.wire.readouts import blocks, run

COMPOSITE = (Kind.RECON_DATA, Kind.IMAGE_ARRAY, Kind.BUCKET)


class Decoder:
    """Finds the messages in a stream. ``consumed`` and ``need`` tell the caller where it stands."""

    def __init__(self, limits: Limits | None = None, *, nodes: bool = False) -> None:
        """``nodes``: read what the nodes of a Gadgetron send one another, too."""
        self._limits, self._nodes = limits or Limits(), nodes
        self.consumed = 0
        """Bytes of the last view that the messages given so far took."""
        self.need = 2
        """Bytes that must be there, from ``consumed`` on, before there can be another message."""

    def decode(self, view: memoryview) -> Iterator[Any]:
        """The complete messages in ``view``, which begins at a message's boundary.

        Raises ProtocolError where the stream cannot be followed; what was consumed before stays said.
        """
        self.consumed = 0
        while True:
            rest = view[self.consumed :]
            self.need = self._extent(rest)
            if self.need > len(rest):
                return
            (kind,) = struct.unpack_from("<H", rest)
            if kind == Kind.ACQUISITION:
                yield from self._readouts(rest)
            else:
                self.consumed += self.need
                yield self._message(kind, rest[2 : self.need])

    def _extent(self, rest: memoryview) -> int:
        composite = self._nodes and len(rest) >= 2 and struct.unpack_from("<H", rest)[0] in COMPOSITE
        return (nodes.extent if composite else extent)(rest, self._limits)

    def _message(self, kind: int, payload: memoryview) -> said.Message | nodes.Composite:
        return nodes.decode(kind, payload, self._limits) if kind in COMPOSITE else _DECODERS[kind](payload)

    def _readouts(self, rest: memoryview) -> Iterator[said.Message]:
        flags = int(np.frombuffer(rest, READOUT_HEAD, count=1, offset=2)[0]["flags"])
        if flags & COMPRESSED:
            self.consumed += self.need
            yield said.Unsupported("compressed readouts (ZFP or NHLBI flag) are not supported")
            return
        records, size = run(rest)
        self.consumed += size
        yield from blocks(records)


def text(payload: memoryview) -> str:
    """A string as peers write it: with a trailing NUL or without, and cut at the first one."""
    try:
        return bytes(payload).partition(b"\0")[0].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a text is not UTF-8: {error}") from None


def _query(payload: memoryview) -> said.Query:
    reserved, correlation, _ = struct.unpack_from("<QQQ", payload)
    return said.Query(correlation, text(payload[24:]), reserved)


def _response(payload: memoryview) -> said.Response:
    correlation, _ = struct.unpack_from("<QQ", payload)
    return said.Response(correlation, text(payload[16:]))


def _dicom(payload: memoryview) -> said.Dicom:
    parts = []
    for form in ("<I", "<Q", "<Q"):
        (size,) = struct.unpack_from(form, payload)
        start = struct.calcsize(form)
        parts.append(payload[start : start + size])
        payload = payload[start + size :]
    return said.Dicom(bytes(parts[0]), text(parts[1]), text(parts[2]))


def _waveform(payload: memoryview) -> Waveform:
    head = np.frombuffer(payload, WAVEFORM_HEAD, count=1)[0].copy()
    shape = (int(head["channels"]), int(head["number_of_samples"]))
    data = np.frombuffer(bytes(payload[WAVEFORM_HEAD.itemsize :]), np.uint32).reshape(shape)
    return Waveform(head=head, data=data)


def _image(payload: memoryview) -> Image:
    import torch

    head = np.frombuffer(payload, IMAGE_HEAD, count=1)[0].copy()
    start = IMAGE_HEAD.itemsize + 8
    (size,) = struct.unpack_from("<Q", payload, start - 8)
    x, y, z = (int(n) for n in head["matrix_size"])
    pixels = np.frombuffer(bytearray(payload[start + size :]), PIXEL[int(head["data_type"])])
    data = torch.from_numpy(pixels.reshape(int(head["channels"]), z, y, x))
    return Image(data=data, head=head, meta=read_meta(text(payload[start : start + size])))


def _array(payload: memoryview) -> said.Unsupported:
    return said.Unsupported("arrays (message 1030) have no place in a scan")


_DECODERS: dict[int, Callable[[memoryview], said.Message]] = {
    Kind.CONFIG_FILE: lambda payload: said.ConfigFile(text(payload)),
    Kind.CONFIG_TEXT: lambda payload: said.ConfigText(text(payload[4:])),
    Kind.HEADER: lambda payload: said.Header(text(payload[4:])),
    Kind.CLOSE: lambda payload: said.Close(),
    Kind.TEXT: lambda payload: said.TextMessage(text(payload[4:])),
    Kind.QUERY: _query,
    Kind.RESPONSE: _response,
    Kind.ERROR: lambda payload: said.Failure(text(payload[8:])),
    Kind.DICOM: _dicom,
    Kind.DEPENDENCY_QUERY: lambda payload: said.DependencyQuery(text(payload[8:])),
    Kind.IMAGE: _image,
    Kind.WAVEFORM: _waveform,
    Kind.NDARRAY: _array,
}


def decode_all(data: bytes, limits: Limits | None = None) -> list[said.Message]:
    """All messages of ``data``, which must end at a boundary.

    Raises ProtocolError when it does not.
    """
    decoder = Decoder(limits)
    found = list(decoder.decode(cast(memoryview, memoryview(data))))
    if decoder.consumed != len(data):
        raise ProtocolError(f"the stream ends {len(data) - decoder.consumed} bytes into a message")
    return found
