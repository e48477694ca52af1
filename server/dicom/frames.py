"""The planes of maps and label images, gathered into what one object holds: one moment, one orientation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from gadgets.data import Image
from server.dicom.geometry import Plane, plane
from server.dicom.study import Source
from server.errors import DicomError

if TYPE_CHECKING:
    from highdicom.content import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence

MOMENT = ("contrast", "phase", "repetition", "set")
"""Counters that tell images of one place apart."""

Moment = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A plane that went into an object of its own, which others may refer to."""

    place: Plane
    moment: Moment
    shape: tuple[int, int]
    """Rows and columns, without what was burnt in below."""

    main: bool
    """It shows the image itself, not a companion."""

    file: Path

    def read(self) -> Dataset:
        """Its object without the pixels, of the shape that the image has."""
        found = dcmread(self.file, stop_before_pixels=True)
        found.Rows, found.Columns = self.shape
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A plane of a map or label image."""

    data: NDArray[np.float32]
    """[y, x], in the quantity's unit, or labels."""

    place: Plane
    image: Image
    """Where it is from."""


def shared(frames: Sequence[Frame], source: Source) -> dict[str, Any]:
    """What an object of planes says whatever it holds: who made it, and where its planes lie."""
    return {
        "manufacturer": "Scanside",
        "manufacturer_model_name": "Scanside",
        "software_versions": source.versions([frames[0].image]),
        "device_serial_number": source.identity.device or "unknown",
        "pixel_measures": measures(frames),
        "plane_orientation": orientation(frames),
        "plane_positions": positions(frames),
    }


def moment(image: Image) -> Moment:
    """The counters by which images of one place are told apart."""
    return tuple(int(image.head[name]) for name in MOMENT)


def groups(images: Sequence[Image]) -> Iterator[list[Frame]]:
    """The planes of these images of one series, those of one object together, in the order of their place.

    Raises DicomError for an image without geometry, and for two planes of one moment in one place.
    """
    found: dict[tuple[Moment, tuple[float, ...], tuple[float, float], tuple[int, ...]], list[Frame]] = {}
    for image in images:
        for frame in _frames(image):
            key = (moment(image), frame.place.orientation, frame.place.spacing, frame.data.shape)
            found.setdefault(key, []).append(frame)
    for key in sorted(found):
        frames = sorted(found[key], key=lambda each: each.place.location)
        if len({each.place.position for each in frames}) < len(frames):
            raise DicomError("two planes of one moment lie in one place")
        yield frames


def sources(frames: Sequence[Frame], kept: Sequence[Kept]) -> list[Dataset]:
    """The objects that these planes are of: of the same place, the image itself and the same moment first.

    Raises DicomError when nothing of their place was kept.
    """
    found: dict[Path, Kept] = {}
    for frame in frames:
        same = [each for each in kept if _together(each, frame)]
        if not same:
            raise DicomError("no image of its place was kept that it could refer to")
        now = moment(frame.image)
        best = min(same, key=lambda each: (not each.main, each.moment != now))
        found[best.file] = best
    return [each.read() for each in found.values()]


def positions(frames: Sequence[Frame]) -> "list[PlanePositionSequence]":
    """Where each plane lies."""
    from highdicom.content import PlanePositionSequence

    return [PlanePositionSequence("PATIENT", each.place.position) for each in frames]


def orientation(frames: Sequence[Frame]) -> "PlaneOrientationSequence":
    """How all of them lie."""
    from highdicom.content import PlaneOrientationSequence

    return PlaneOrientationSequence("PATIENT", frames[0].place.orientation)


def measures(frames: Sequence[Frame]) -> "PixelMeasuresSequence":
    """The size of their pixels."""
    from highdicom.content import PixelMeasuresSequence

    place = frames[0].place
    return PixelMeasuresSequence(place.spacing, place.thickness)


def _frames(image: Image) -> Iterator[Frame]:
    volume = image.data[0]
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    ratio = float(image.meta.get("ScansideScaleRatio", 1.0))  # type: ignore[arg-type]
    for z in range(shape[0]):
        place = plane(image.head, shape, z)
        if place is None:
            raise DicomError("its header gives no place")
        yield Frame(data=volume[z].numpy().astype(np.float32) / np.float32(ratio), place=place, image=image)


def _together(kept: Kept, frame: Frame) -> bool:
    return (
        kept.shape == frame.data.shape
        and kept.place.position == frame.place.position
        and kept.place.orientation == frame.place.orientation
    )
