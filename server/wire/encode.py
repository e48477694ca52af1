"""Messages as bytes."""

import struct

import numpy as np

from gadgets.data import Heads, Image, Notes, Readouts, Waveform
from gadgets.head import ImageType
from server.wire.extent import PIXEL
from server.wire.kinds import Kind, Profile
from server.wire.meta import write_meta
from server.wire.readouts import message

DATA_TYPE = {np.dtype(pixel): number for number, pixel in PIXEL.items()}
GADGETRON = Profile()
FIRE = Profile(nul=True, prefix=True)


def _string(form: str, text: str, profile: Profile) -> bytes:
    raw = text.encode(errors="replace") + (b"\0" if profile.nul else b"")
    return struct.pack(form, len(raw)) + raw


def config_file(name: str) -> bytes:
    """The name of a chain, padded to 1024 bytes."""
    return struct.pack("<H1024s", Kind.CONFIG_FILE, name.encode()[:1023])


def config_text(text: str, profile: Profile = GADGETRON) -> bytes:
    """A chain, written out."""
    return struct.pack("<H", Kind.CONFIG_TEXT) + _string("<I", text, profile)


def header(xml: str, profile: Profile = GADGETRON) -> bytes:
    """The measurement's header."""
    return struct.pack("<H", Kind.HEADER) + _string("<I", xml, profile)


def text(words: str, profile: Profile = GADGETRON, level: str = "") -> bytes:
    """A text; errors and warnings begin with that word, by which our client knows them."""
    shown = words
    if profile.prefix and level:
        shown = f"{level.upper():8s} {words}"
    elif level in ("warning", "error"):
        shown = f"{level.upper()} {words}"
    return struct.pack("<H", Kind.TEXT) + _string("<I", shown, profile)


def failure(words: str) -> bytes:
    """What one node tells another when it fails."""
    return struct.pack("<H", Kind.ERROR) + _string("<Q", words, GADGETRON)


def close() -> bytes:
    """Everything was said."""
    return struct.pack("<H", Kind.CLOSE)


def query(correlation: int, question: str) -> bytes:
    """A question about the server."""
    return struct.pack("<HQQ", Kind.QUERY, 0, correlation) + _string("<Q", question, GADGETRON)


def response(correlation: int, answer: str) -> bytes:
    """The answer to a question."""
    return struct.pack("<HQ", Kind.RESPONSE, correlation) + _string("<Q", answer, GADGETRON)


def dependency(meta: Notes) -> bytes:
    """What is known about a stored measurement, as meta attributes."""
    return struct.pack("<H", Kind.DEPENDENCY_QUERY) + _string("<Q", write_meta(meta), GADGETRON)


def readouts(run: Readouts) -> bytes:
    """One message for each readout, one behind the other."""
    return message(run).tobytes()


def waveform(item: Waveform) -> bytes:
    """A stretch of a waveform."""
    return struct.pack("<H", Kind.WAVEFORM) + item.head.tobytes() + np.ascontiguousarray(item.data).tobytes()


def image(item: Image, profile: Profile = GADGETRON) -> bytes:
    """An image; matrix, channels, data type and length of the meta are written from the data."""
    pixels = np.ascontiguousarray(item.data.numpy())
    meta = write_meta(item.meta).encode() + (b"\0" if profile.nul else b"")
    head = image_head(item)
    head["attribute_string_len"] = len(meta)
    return b"".join(
        (struct.pack("<H", Kind.IMAGE), head.tobytes(), struct.pack("<Q", len(meta)), meta, pixels.tobytes())
    )


def image_head(item: Image) -> Heads:
    """The header of an image as its data have it."""
    pixels, head = item.data.numpy(), item.head.copy()
    head["version"] = 1
    head["data_type"] = DATA_TYPE[pixels.dtype]
    head["channels"], *zyx = pixels.shape
    head["matrix_size"] = zyx[::-1]
    if not head["image_type"]:
        head["image_type"] = ImageType.COMPLEX if pixels.dtype.kind == "c" else ImageType.MAGNITUDE
    return head
