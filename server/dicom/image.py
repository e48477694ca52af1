"""An image as DICOM objects: MR Image Storage, one object for each plane."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from gadgets.data import Image
from gadgets.head import ImageType
from server.dicom.burn import band
from server.dicom.geometry import Plane, plane
from server.dicom.pixels import FINEST, TOP, Stored, stored
from server.dicom.study import WARNING, Source, cautious, enrol, identify, sealed
from server.dicom.uids import uid

KINDS = {ImageType.MAGNITUDE: "M", ImageType.PHASE: "P", ImageType.REAL: "R", ImageType.IMAG: "I"}
"""Third value of Image Type, by the image's own type."""


def objects(image: Image, source: Source) -> Iterator[Dataset]:
    """The objects of an image that has its series and index; none for complex images.

    Raises nothing: an image without geometry becomes an object without it.
    """
    if image.data.is_complex() or image.data.shape[0] != 1:
        return
    volume = image.data[0]
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    ratio = float(image.meta.get("ScansideScaleRatio", 1.0))  # type: ignore[arg-type]
    least = FINEST if "ScansideUnit" in image.meta else 0.1
    for z in range(shape[0]):
        yield _object(image, source, stored(volume[z], ratio, least), plane(image.head, shape, z), z)


def _object(image: Image, source: Source, pixels: Stored, place: Plane | None, z: int) -> Dataset:
    out = Dataset()
    identify(out, source)
    out.SoftwareVersions = source.versions([image])
    _series(out, image, source)
    _instance(out, image, source, pixels, z)
    _contrast(out, source)
    if place:
        _place(out, place, source)
    _pixels(out, pixels)
    if cautious(image):
        _burn(out, pixels)
    return sealed(out)


def _series(out: Dataset, image: Image, source: Source) -> None:
    out.Modality, out.Laterality = "MR", ""
    enrol(out, source, int(image.head["image_series_index"]), _text(image, "SeriesDescriptionAdditional"))
    out.ProtocolName = source.identity.protocol[:64]
    out.PatientPosition = source.scan.patient_position[:16]
    out.FrameOfReferenceUID = source.frame
    out.PositionReferenceIndicator = ""


def _instance(out: Dataset, image: Image, source: Source, pixels: Stored, z: int) -> None:
    digest = hashlib.sha256(pixels.data.tobytes()).hexdigest()
    number = int(image.head["image_index"])
    out.SOPClassUID = MRImageStorage
    out.SOPInstanceUID = uid("object", out.SeriesInstanceUID, number, z, digest)
    out.InstanceNumber = number if image.data.shape[1] == 1 else (number - 1) * image.data.shape[1] + z + 1
    kind = KINDS.get(ImageType(int(image.head["image_type"]) or 1), "M")
    out.ImageType = ["DERIVED", "PRIMARY", kind, image.role.upper()]
    out.AcquisitionNumber = int(image.head["repetition"]) + 1
    out.ImageComments = _comments(image)
    out.DerivationDescription = f"{source.recipe}"[:1024]


def _comments(image: Image) -> str:
    said = _text(image, "ImageComments")
    return f"{WARNING}; {said}" if cautious(image) else said


def _contrast(out: Dataset, source: Source) -> None:
    """Type 1 and 2 attributes of the MR Image module; times in ms, angles in degrees."""
    times = source.scan.sequence
    out.ScanningSequence, out.SequenceVariant = "RM", "NONE"
    out.ScanOptions, out.MRAcquisitionType = "", "2D"
    out.RepetitionTime = _milli(times.repetition_time)
    out.EchoTime = _milli(times.echo_time)
    if times.inversion_time:
        out.ScanningSequence, out.InversionTime = "IR", _milli(times.inversion_time)
    out.EchoTrainLength = ""
    if times.flip_angle:
        out.FlipAngle = round(times.flip_angle[0] * 180 / 3.141592653589793, 3)
    if source.scan.field_strength:
        out.MagneticFieldStrength = round(source.scan.field_strength, 3)


def _milli(times: tuple[float, ...]) -> Any:  # noqa: ANN401 - a number, or an empty value
    return round(1000 * times[0], 4) if times else ""


def _place(out: Dataset, place: Plane, source: Source) -> None:
    out.ImagePositionPatient = list(place.position)
    out.ImageOrientationPatient = list(place.orientation)
    out.PixelSpacing = [round(each, 6) for each in place.spacing]
    out.SliceThickness = round(place.thickness, 6)
    out.SliceLocation = place.location


def _pixels(out: Dataset, pixels: Stored) -> None:
    out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
    out.Rows, out.Columns = pixels.data.shape
    out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 16, 16, 15, 0
    out.RescaleSlope, out.RescaleIntercept, out.RescaleType = pixels.slope, pixels.intercept, "US"
    out.WindowCenter, out.WindowWidth = (round(each, 6) for each in pixels.window)
    out.VOILUTFunction = "LINEAR_EXACT"
    out.PixelData = pixels.data.astype("<u2").tobytes()


def _burn(out: Dataset, pixels: Stored) -> None:
    """Add rows below the image that say what it must not be used for; none of its pixels changes."""
    words = band(pixels.data.shape[1])
    low, high = pixels.window[0] - pixels.window[1] / 2, pixels.window[0] + pixels.window[1] / 2
    dark, bright = (
        np.clip(round((each - pixels.intercept) / pixels.slope), 0, TOP).astype(np.uint16)
        for each in (low, high)
    )
    whole = np.concatenate([pixels.data, np.where(words, bright, dark)])
    out.Rows, out.PixelData = len(whole), whole.astype("<u2").tobytes()
    out.BurnedInAnnotation = "NO"


def _text(image: Image, name: str) -> str:
    value = image.meta.get(name, "")
    return str(value)


def is_storable(image: Image) -> bool:
    """Whether this image has a form in DICOM: real values, one channel."""
    return not image.data.is_complex() and image.data.shape[0] == 1 and image.data.dtype != torch.bool
