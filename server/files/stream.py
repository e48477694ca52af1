"""MRD streams in files: a scan as a scanner says it, and images as a chain answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gadgets.data import Image, Readouts, Waveform
from server.errors import DataError, ProtocolError
from server.files.images import StoredImages
from server.files.opened import readable, writable
from server.wire import encode
from server.wire.buffer import Buffer
from server.wire.messages import Close, Header, Message, TextMessage
from server.wire.meta import write_meta

SUFFIX = ".mrd"
"""How the names of such files end."""


@dataclass(frozen=True)
class Answered:
    """What a chain said of a scan."""

    images: tuple[Image, ...]
    texts: tuple[str, ...]
    closed: bool
    """CLOSE was said: it was everything."""

    @property
    def failed(self) -> bool:
        """Whether an error was told, or the end is missing."""
        return not self.closed or any(text.startswith("ERROR") for text in self.texts)


def write_stream(path: Path, xml: str, items: Iterable[Readouts | Waveform]) -> int:
    """Write a scan as HEADER, its items and CLOSE, and return how many readouts it has.

    Raises DataError where no such file can be made, and what the items raise: then CLOSE is missing.
    """
    count = 0
    with writable(path).open("wb") as file:
        file.write(encode.header(xml))
        for item in items:
            if isinstance(item, Readouts):
                count += len(item.head)
                file.write(encode.readouts(item))
            else:
                file.write(encode.waveform(item))
        file.write(encode.close())
    return count


def read_stream(path: Path) -> Iterator[Message]:
    """The complete messages of a file.

    Raises DataError where it cannot be read, or followed.
    """
    with readable(path).open("rb", buffering=0) as file:
        try:
            yield from Buffer().messages(lambda view: file.readinto(view) or 0)
        except ProtocolError as error:
            raise DataError(f"{path} is no MRD stream, or damaged: {error}") from None


def holds_scan(messages: Iterable[Message]) -> bool:
    """Whether a header or data of a scan come before any image."""
    for message in messages:
        if isinstance(message, Image | Header | Readouts | Waveform):
            return not isinstance(message, Image)
    return False


def answered(messages: Iterable[Message]) -> Answered:
    """The images and texts of a stream."""
    said = list(messages)
    return Answered(
        images=tuple(each for each in said if isinstance(each, Image)),
        texts=tuple(each.text for each in said if isinstance(each, TextMessage)),
        closed=any(isinstance(each, Close) for each in said),
    )


def gathered(images: Iterable[Image]) -> list[StoredImages]:
    """Images of one series, matrix and type together, in groups as ``ImageFile`` names them."""
    groups: dict[tuple[object, ...], list[Image]] = {}
    for image in images:
        key = int(image.head["image_series_index"]), image.data.shape, image.data.dtype
        groups.setdefault(key, []).append(image)
    met: dict[object, int] = {}
    found = []
    for (number, *_), group in groups.items():
        suffix = f"_{met[number]}" if number in met else ""
        met[number] = met.get(number, 0) + 1
        found.append(_stored(f"image_{number}{suffix}", group))
    return found


def _stored(name: str, group: list[Image]) -> StoredImages:
    return StoredImages(
        group=name,
        head=np.stack([each.head for each in group]),
        meta=tuple(write_meta(each.meta) for each in group),
        data=np.stack([each.data.numpy() for each in group]),
    )
