"""Label images as Segmentation objects: a coded segment for each label (PS3.3, A.51)."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from gadgets.data import Image
from server.dicom import codes
from server.dicom.derived import settled
from server.dicom.frames import Frame, Kept, groups, shared, sources
from server.dicom.study import NUMBERS, Source
from server.dicom.uids import uid

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription


def is_labels(image: Image) -> bool:
    """Whether it says what its values 1, 2, ... name."""
    return "ScansideLabels" in image.meta and image.data.shape[0] == 1 and not image.data.is_floating_point()


def names(image: Image) -> list[str]:
    """What the values 1, 2, ... name."""
    said = image.meta["ScansideLabels"]
    return [said] if isinstance(said, str) else [str(each) for each in said]  # type: ignore[union-attr]


def segmentations(images: Sequence[Image], kept: Sequence[Kept], source: Source) -> Iterator[Dataset]:
    """The label images of one series: an object for each moment that has any label, numbered by time.

    Raises DicomError as ``groups`` and ``sources``.
    """
    for number, frames in enumerate(groups(images), start=1):
        if any(each.data.any() for each in frames):
            yield _segmentation(frames, sources(frames, kept), source, number)


def _segmentation(frames: Sequence[Frame], references: list[Dataset], source: Source, number: int) -> Dataset:
    from highdicom.seg import Segmentation

    image = frames[0].image
    data = np.stack([each.data for each in frames]).astype(np.uint8)
    series = int(image.head["image_series_index"]) + NUMBERS["labels"]
    digest = hashlib.sha256(data.tobytes()).hexdigest()
    made = Segmentation(
        references,
        data,
        "BINARY",
        [_segment(index, name, image, source) for index, name in enumerate(names(image), start=1)],
        source.series(series),
        series,
        uid("labels", source.series(series), number, digest),
        number,
        content_label="SEGMENTATION",
        **shared(frames, source),
        omit_empty_frames=True,
    )
    return settled(made, source, series, "segmentation")


def _segment(index: int, name: str, image: Image, source: Source) -> "SegmentDescription":
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription

    model = str(image.meta.get("ScansideModel", "none"))
    learned = model != "none"
    return SegmentDescription(
        index,
        codes.region(name).meaning,
        codes.Concept("91723000", "SCT", "Anatomical Structure").code(),
        codes.region(name).code(),
        "AUTOMATIC",
        AlgorithmIdentificationSequence(
            name=model[:64] if learned else "scanside",
            family=codes.FAMILIES["learned" if learned else "classical"].code(),
            version=str(image.meta.get("ScansideModelHash", ""))[:12] or "1",
        ),
        tracking_uid=uid("segment", source.study, source.scan.measurement_id, name),
        tracking_id=name,
    )
