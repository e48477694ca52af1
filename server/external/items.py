"""Items of a stream as messages to another node, and its answers as items."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import torch

from gadgets.arrays import to_kspace
from gadgets.data import Block, Image, Kspace, Notes, Readouts, Reference, Role, Text, Value, Waveform
from gadgets.scan import Scan
from server.errors import ProtocolError
from server.external import buffers
from server.wire import composite, encode
from server.wire import messages as said
from server.wire.meta import read_meta, write_meta
from server.wire.readouts import split

ROLE = "ScansideRole"


class Outgoing:
    """Writes items down; remembers the reference lines that belong to the buffers."""

    def __init__(
        self,
        scan: Scan,
        kspace: Literal["buffer", "bucket"] = "buffer",
        images: Literal["single", "array"] = "single",
    ) -> None:
        self._scan, self._form, self._array = scan, kspace, images == "array"
        self._references: dict[tuple[int, int], Reference] = {}
        self.notes: Notes = {}
        """What the data went through before they were sent."""

    def takes(self, item: object) -> bool:
        """Whether there is a message for the item."""
        return isinstance(item, Readouts | Waveform | Image | Kspace | Reference)

    def words(self, item: Any) -> bytes:  # noqa: ANN401 - any item
        """The messages of an item; none at all for reference lines, which go with their buffer."""
        if isinstance(item, Readouts):
            self._note(item.notes)
            return encode.readouts(_in_k(item))
        if isinstance(item, Waveform):
            return encode.waveform(item)
        if isinstance(item, Image):
            known = replace(item, meta={ROLE: item.role, **item.meta})
            return _array(known) if self._array else encode.image(known)
        self._note(item.notes)
        if isinstance(item, Reference):
            self._references[item.encoding, item.slice] = item
            return b""
        return self._kspace(item)

    def _note(self, notes: Notes) -> None:
        self.notes = {**notes, **self.notes}

    def _kspace(self, item: Kspace) -> bytes:
        head = item.head.reshape(-1)[0]
        found = self._references.get((item.encoding, int(head["idx"]["slice"])))
        data = buffers.buffer(item, self._scan)
        lines = buffers.reference_buffer(found, head, self._scan) if found else None
        if self._form == "bucket":
            return composite.bucket(buffers.bucket(data, lines), max(len(self._scan.encodings), 1))
        return composite.recon_data(composite.ReconData(bits=((data, lines),)))


def answers(message: Any, scan: Scan, notes: Notes) -> Iterator[Any]:  # noqa: ANN401 - any message
    """The items of a message, with notes on what the data had gone through.

    Raises ProtocolError for a message that holds no data.
    """
    match message:
        case Readouts():
            yield replace(message, notes=notes)
        case Waveform():
            yield message
        case Image():
            yield _image(message, notes)
        case composite.ReconData():
            for item in buffers.kspace(message, scan):
                yield replace(item, notes=notes)
        case composite.ImageArray():
            yield from (_image(each, notes) for each in _images(message))
        case composite.Bucket():
            yield from (replace(each, notes=notes) for each in _readouts(message))
        case said.TextMessage():
            yield Text(text=message.text)
        case _:
            raise ProtocolError(f"{type(message).__name__} is no answer of a step")


def _array(item: Image) -> bytes:
    """The image as an array of one; complex, as such arrays are."""
    head = encode.image_head(item)
    data = item.data.to(torch.complex64).numpy()[None, None, None]
    array = composite.ImageArray(data=data, heads=head.reshape(1, 1, 1), meta=(write_meta(item.meta),))
    return composite.image_array(array)


def _in_k(item: Readouts) -> Readouts:
    if not (isinstance(item, Block) and item.transformed):
        return item
    return replace(item, data=to_kspace(torch.from_numpy(item.data)).numpy(), transformed=False)


def _image(item: Image, notes: Notes) -> Image:
    """The image with its role; the notes count as far as it says nothing itself."""
    meta = {
        name: _number(value) if name.startswith("Scanside") else value for name, value in item.meta.items()
    }
    role: Role = next((each for each in get_args(Role) if each == meta.get(ROLE)), "image")
    return replace(item, role=role, meta={**notes, **{n: v for n, v in meta.items() if n != ROLE}})


def _number(value: Value) -> Value:
    """What was a number before it was written down."""
    if isinstance(value, str):
        try:
            return float(value) if "." in value or "e" in value else int(value)
        except ValueError:
            return value
    return tuple(_number(each) for each in value) if isinstance(value, list) else value  # type: ignore[return-value]


def _images(array: composite.ImageArray) -> Iterator[Image]:
    """The images of an array: by loc, then s, then n."""
    heads = array.heads.reshape(-1)
    for number, (head, data) in enumerate(
        zip(heads, array.data.reshape(-1, *array.data.shape[3:]), strict=True)
    ):
        text = array.meta[number] if number < len(array.meta) else ""
        yield Image(data=torch.from_numpy(np.array(data)), head=head.copy(), meta=read_meta(text))


def _readouts(bucket: composite.Bucket) -> Iterator[Readouts]:
    for each in (*bucket.reference, *bucket.data):
        path = None if each.trajectory is None else np.array(each.trajectory)[None]
        head = np.array(each.head).reshape(1)
        yield from split(Readouts(head=head, data=np.array(each.data)[None], trajectory=path))
