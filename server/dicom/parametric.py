"""Maps with values as Parametric Map objects: float32, with what they measure and its unit (PS3.3, A.75)."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gadgets.data import Image
from server.dicom import codes
from server.dicom.derived import settled
from server.dicom.frames import Frame, Kept, groups, shared, sources
from server.dicom.study import NUMBERS, WARNING, Source
from server.dicom.uids import uid

if TYPE_CHECKING:
    from highdicom.content import VOILUTTransformation
    from highdicom.pm import RealWorldValueMapping


def is_map(image: Image) -> bool:
    """Whether it says what it measures, and in which unit."""
    said = "ScansideQuantity" in image.meta and "ScansideUnit" in image.meta
    return said and image.data.shape[0] == 1 and not image.data.is_complex()


def parametric_maps(images: Sequence[Image], kept: Sequence[Kept], source: Source) -> Iterator[Dataset]:
    """The maps of one series: an object for each moment, a frame for each plane.

    Raises DicomError as ``groups`` and ``sources``.
    """
    for number, frames in enumerate(groups(images), start=1):
        yield _map(frames, sources(frames, kept), source, number)


def _map(frames: Sequence[Frame], references: list[Dataset], source: Source, number: int) -> Dataset:
    from highdicom.pm import ParametricMap

    image = frames[0].image
    data = np.stack([each.data for each in frames])
    series = int(image.head["image_series_index"]) + NUMBERS["map"]
    digest = hashlib.sha256(data.tobytes()).hexdigest()
    name = str(image.meta["ScansideQuantity"])
    made = ParametricMap(
        references,
        data,
        source.series(series),
        series,
        uid("map", source.series(series), number, digest),
        number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(image, (float(data.min()), float(data.max())))],
        voi_lut_transformations=[_window(data)],
        content_description=f"{name}, {WARNING}"[:64],
        content_label=name.upper()[:16],
        **shared(frames, source),
    )
    made.Laterality = ""
    return settled(made, source, series, f"{name} [{image.meta['ScansideUnit']}]")


def _window(data: NDArray[np.float32]) -> "VOILUTTransformation":
    """From the smallest value to what only one pixel in 200 exceeds."""
    from highdicom.content import VOILUTTransformation

    low, high = float(data.min()), float(np.quantile(data, 0.995))
    centre, width = round((low + high) / 2, 6), round(max(high - low, 1e-6), 6)
    return VOILUTTransformation(centre, width, voi_lut_function="LINEAR_EXACT")


def _mapping(image: Image, span: tuple[float, float]) -> "RealWorldValueMapping":
    from highdicom.pm import RealWorldValueMapping

    name, unit = str(image.meta["ScansideQuantity"]), str(image.meta["ScansideUnit"])
    concept = codes.quantity(name)
    return RealWorldValueMapping(
        lut_label=name[:16],
        lut_explanation=concept.meaning[:64],
        unit=codes.unit(unit).code(),
        value_range=span,
        slope=1.0,
        intercept=0.0,
        quantity_definition=concept.code(),
    )
