"""DICOM files as ISMRMRD images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gadgets.data import Heads, Image
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD, ImageType

KINDS = {"P": ImageType.PHASE, "R": ImageType.REAL, "I": ImageType.IMAG}
"""By the third value of ``ImageType``; else magnitude."""


def read_series(path: Path) -> Iterator[Image]:
    """The images of a file, or of all DICOM files in a folder, by series, place along the normal and time.

    Values are rescaled as the file says. Names and identifiers of people are left behind.

    Raises DataError where there is none, or pydicom is not installed.
    """
    found = [one for each in _files(path) if (one := _read(each)) is not None]
    if not found:
        raise DataError(f"{path} holds no DICOM image")
    numbers = sorted({int(one.get("SeriesNumber") or 0) for one in found})
    for number in numbers:
        series = [one for one in found if int(one.get("SeriesNumber") or 0) == number]
        yield from _series(series, number)


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _read(path: Path) -> Any:  # noqa: ANN401 - pydicom's Dataset
    try:
        import pydicom
    except ImportError:
        raise DataError(f"{path} needs pydicom: install scanside[convert]") from None
    try:
        one = pydicom.dcmread(path)
    except pydicom.errors.InvalidDicomError:
        return None
    return one if "PixelData" in one and int(one.get("NumberOfFrames") or 1) == 1 else None


def _series(series: list[Any], number: int) -> Iterator[Image]:
    places = sorted({_along(one) for one in series})
    seen: dict[float, int] = {}
    for one in sorted(series, key=lambda each: (_along(each), int(each.get("InstanceNumber") or 0))):
        place = _along(one)
        time = seen[place] = seen.get(place, -1) + 1
        yield _image(one, number, places.index(place), time)


def _along(one: Any) -> float:  # noqa: ANN401
    """Position along the slice's normal [mm], to a hundredth."""
    position, directions = _vector(one, "ImagePositionPatient", 3), _vector(one, "ImageOrientationPatient", 6)
    return round(float(np.cross(directions[:3], directions[3:]) @ position), 2)


def _vector(one: Any, name: str, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ANN401
    values = one.get(name)
    if values is None or len(values) != size:
        raise DataError(f"a DICOM image of series {one.get('SeriesNumber')} has no {name}")
    return np.array([float(value) for value in values])


def _image(one: Any, series: int, place: int, time: int) -> Image:  # noqa: ANN401
    import torch

    pixels = np.asarray(one.pixel_array, np.float32)
    pixels = pixels * float(one.get("RescaleSlope") or 1) + float(one.get("RescaleIntercept") or 0)
    meta: dict[str, str | float] = {"ScansideSource": "DICOM"}
    for ours, theirs in (
        ("GADGETRON_WindowCenter", "WindowCenter"),
        ("GADGETRON_WindowWidth", "WindowWidth"),
    ):
        if isinstance(value := one.get(theirs), int | float):
            meta[ours] = float(value)
    if one.get("SeriesDescription"):
        meta["SequenceDescription"] = str(one.SeriesDescription)
    head = _head(one, pixels.shape)
    head["image_series_index"], head["slice"], head["phase"] = series, place, time
    head["image_index"] = int(one.get("InstanceNumber") or 0) % 65536
    return Image(data=torch.from_numpy(pixels.astype(np.float32))[None, None], head=head, meta=meta)


def _head(one: Any, shape: tuple[int, ...]) -> Heads:  # noqa: ANN401
    """Geometry: ISMRMRD's position is the middle of the image, DICOM's that of the first pixel."""
    rows, columns = shape
    down, across = (float(value) for value in one.get("PixelSpacing") or (1.0, 1.0))
    directions = _vector(one, "ImageOrientationPatient", 6)
    x, y = directions[:3], directions[3:]
    head = np.zeros((), IMAGE_HEAD)
    head["version"] = 1
    head["matrix_size"] = columns, rows, 1
    depth = float(one.get("SliceThickness") or 1)
    head["field_of_view"] = columns * across, rows * down, depth
    first = _vector(one, "ImagePositionPatient", 3)
    head["position"] = first + x * across * (columns // 2) + y * down * (rows // 2)
    head["read_dir"], head["phase_dir"], head["slice_dir"] = x, y, np.cross(x, y)
    kind = [*(one.get("ImageType") or []), "", "", ""][2]
    head["image_type"] = KINDS.get(kind, ImageType.MAGNITUDE)
    return head
