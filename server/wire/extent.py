"""How long a message is: the only thing that must be known to keep a stream in step.

Each rule looks at the bytes so far (the id included) and says how many are needed from the message's start to
know more; a message is complete when that is no more than what is there.
"""

import struct
from collections.abc import Callable

import numpy as np

from gadgets.head import COMPRESSED, IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD
from server.errors import ProtocolError
from server.wire.kinds import Kind, Limits

Extent = Callable[[memoryview, Limits], int]

PIXEL = {1: "<u2", 2: "<i2", 3: "<u4", 4: "<i4", 5: "<f4", 6: "<f8", 7: "<c8", 8: "<c16"}
"""NumPy type by an image's ``data_type``."""

NDARRAY_PIXEL = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}
"""Bytes by an array's ``data_type``."""


def extent(view: memoryview, limits: Limits) -> int:
    """Bytes from the start of ``view`` that the message there takes, as far as they can tell.

    Raises ProtocolError for an unknown id or a size above the limits.
    """
    if len(view) < 2:
        return 2
    (number,) = struct.unpack_from("<H", view)
    rule = RULES.get(number)
    if rule is None:
        raise ProtocolError(
            f"message id {number} is unknown; it has no length, so the stream cannot be followed"
        )
    return rule(view, limits)


def capped(size: int, limit: int, what: str) -> int:
    """``size``, when it is believable.

    Raises ProtocolError above the limit.
    """
    if size > limit:
        raise ProtocolError(f"{what} of {size} bytes is above the limit of {limit}")
    return size


def _fixed(size: int) -> Extent:
    return lambda view, limits: 2 + size


def _counted(form: str, what: str, limit: Callable[[Limits], int], before: int = 0) -> Extent:
    """A length in the format ``form`` behind ``before`` bytes, then that many bytes."""
    start = 2 + before + struct.calcsize(form)

    def rule(view: memoryview, limits: Limits) -> int:
        if len(view) < start:
            return start
        (size,) = struct.unpack_from(form, view, 2 + before)
        return start + capped(size, limit(limits), what)

    return rule


def readout(view: memoryview, limits: Limits) -> int:
    """An acquisition: header, trajectory, samples; compressed samples have a length of their own."""
    start = 2 + READOUT_HEAD.itemsize
    if len(view) < start:
        return start
    head = np.frombuffer(view, READOUT_HEAD, count=1, offset=2)[0]
    samples, coils = int(head["number_of_samples"]), int(head["active_channels"])
    path = 4 * samples * int(head["trajectory_dimensions"])
    if int(head["flags"]) & COMPRESSED:
        inner = _counted("<I", "compressed readout", lambda it: it.message, READOUT_HEAD.itemsize + path)
        return inner(view, limits)
    size = path + 8 * samples * coils
    return start + capped(size, limits.message, f"a readout of {samples} samples x {coils} coils, in all")


def waveform(view: memoryview, limits: Limits) -> int:
    """A waveform: header, then 32-bit samples."""
    start = 2 + WAVEFORM_HEAD.itemsize
    if len(view) < start:
        return start
    head = np.frombuffer(view, WAVEFORM_HEAD, count=1, offset=2)[0]
    size = 4 * int(head["number_of_samples"]) * int(head["channels"])
    return start + capped(size, limits.message, "a waveform")


def image(view: memoryview, limits: Limits) -> int:
    """An image: header, meta attributes with their 64-bit length, pixels."""
    start = 2 + IMAGE_HEAD.itemsize + 8
    if len(view) < start:
        return start
    head = np.frombuffer(view, IMAGE_HEAD, count=1, offset=2)[0]
    (meta,) = struct.unpack_from("<Q", view, start - 8)
    pixel = PIXEL.get(int(head["data_type"]))
    if pixel is None:
        raise ProtocolError(f"an image has data type {int(head['data_type'])}, known are 1 to 8")
    count = int(head["channels"])
    for n in head["matrix_size"]:
        count *= int(n)
    pixels = capped(count * np.dtype(pixel).itemsize, limits.message, "an image's pixels")
    return start + capped(int(meta), limits.meta, "an image's meta attributes") + pixels


def array(view: memoryview, limits: Limits) -> int:
    """An n-dimensional array: type, version, number of dimensions, sizes, values."""
    if len(view) < 8:
        return 8
    kind, _, ndim = struct.unpack_from("<HHH", view, 2)
    if kind not in NDARRAY_PIXEL or ndim > 16:
        raise ProtocolError(
            f"an array has data type {kind} and {ndim} dimensions, known are 1 to 8 and up to 16"
        )
    start: int = 8 + 8 * ndim
    if len(view) < start:
        return start
    size: int = NDARRAY_PIXEL[kind]
    for n in struct.unpack_from(f"<{ndim}Q", view, 8):
        size = capped(size * int(n), limits.message, "an array")
    return start + size


def dicom(view: memoryview, limits: Limits) -> int:
    """A DICOM file, its name and its meta attributes, each with its length."""
    at = 2
    for form, what in (("<I", "a DICOM file"), ("<Q", "a DICOM file's name"), ("<Q", "a DICOM file's meta")):
        start = at + struct.calcsize(form)
        if len(view) < start:
            return start
        (size,) = struct.unpack_from(form, view, at)
        at = start + capped(size, limits.message, what)
    return at


def _composite(name: str) -> Extent:
    def rule(view: memoryview, limits: Limits) -> int:
        raise ProtocolError(f"{name} travels between the nodes of a Gadgetron only, and is not accepted here")

    return rule


RULES: dict[int, Extent] = {
    Kind.CONFIG_FILE: _fixed(1024),
    Kind.CONFIG_TEXT: _counted("<I", "a configuration", lambda it: it.config),
    Kind.HEADER: _counted("<I", "a header", lambda it: it.header),
    Kind.CLOSE: _fixed(0),
    Kind.TEXT: _counted("<I", "a text", lambda it: it.text),
    Kind.QUERY: _counted("<Q", "a query", lambda it: it.text, before=16),
    Kind.RESPONSE: _counted("<Q", "a response", lambda it: it.text, before=8),
    Kind.ERROR: _counted("<Q", "an error", lambda it: it.text),
    Kind.ACQUISITION: readout,
    Kind.DICOM: dicom,
    Kind.DEPENDENCY_QUERY: _counted("<Q", "a dependency query", lambda it: it.meta),
    Kind.IMAGE: image,
    Kind.RECON_DATA: _composite("recon data (1023)"),
    Kind.IMAGE_ARRAY: _composite("an image array (1024)"),
    Kind.WAVEFORM: waveform,
    Kind.NDARRAY: array,
    Kind.BUCKET: _composite("a bucket (1050)"),
}
