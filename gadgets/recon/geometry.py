"""Where an image lies, and which image of the scan it is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.head import IMAGE_HEAD, ImageType
from gadgets.scan import Encoding

SHARED = (
    "measurement_uid",
    "position",
    "read_dir",
    "phase_dir",
    "slice_dir",
    "patient_table_position",
    "acquisition_time_stamp",
    "physiology_time_stamp",
    "user_int",
    "user_float",
)
"""Fields that an image takes from the readout in the middle of its k-space."""

COUNTERS = ("average", "slice", "contrast", "phase", "repetition", "set")
"""Counters that an image takes from that readout."""


def image_head(readout: Heads, shape: tuple[int, int, int], encoding: Encoding) -> Heads:
    """The header of a complex image of ``shape`` (z, y, x), from the readout nearest the k-space centre.

    Points are those of the encoded matrix, so that a cropped axis has a smaller field of view [mm].
    """
    head: NDArray[Any] = np.zeros((), IMAGE_HEAD)
    head["version"] = 1
    for name in SHARED:
        head[name] = readout[name]
    for name in COUNTERS:
        head[name] = readout["idx"][name]
    head["matrix_size"] = shape[::-1]
    head["field_of_view"] = field_of_view(shape, encoding)
    head["image_type"] = ImageType.COMPLEX
    return head


def field_of_view(shape: tuple[int, int, int], encoding: Encoding) -> tuple[float, float, float]:
    """[mm], (x, y, z): what ``shape`` (z, y, x) points of the encoded matrix cover."""
    space = encoding.encoded
    x, y, z = (
        1000 * fov * size / points
        for fov, size, points in zip(space.fov, shape[::-1], space.matrix, strict=True)
    )
    return x, y, z
