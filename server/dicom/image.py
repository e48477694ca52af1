"""An image as DICOM objects: MR Image Storage, one object for each plane."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

import server
from gadgets.data import Image
from gadgets.head import ImageType
from gadgets.scan import Scan
from server.dicom.geometry import Plane, plane
from server.dicom.identity import Identity
from server.dicom.pixels import Stored, stored
from server.dicom.uids import uid

KINDS = {ImageType.MAGNITUDE: "M", ImageType.PHASE: "P", ImageType.REAL: "R", ImageType.IMAG: "I"}
"""Third value of Image Type, by the image's own type."""

WARNING = "not for diagnosis"
"""Stands in the comments of every object that is learned or quantitative."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What all objects of one scan share."""

    identity: Identity
    scan: Scan
    recipe: str
    """What made the images: chain, parameters, software; objects of other recipes are other objects."""

    @property
    def study(self) -> str:
        """The header's study UID, or one made of what the header says."""
        given = self.identity.study_uid
        return given if UID(given).is_valid else uid("study", self.identity, self.scan.measurement_id)


def objects(image: Image, source: Source) -> Iterator[Dataset]:
    """The objects of an image that has its series and index; none for complex images.

    Raises nothing: an image without geometry becomes an object without it.
    """
    if image.data.is_complex() or image.data.shape[0] != 1:
        return
    volume = image.data[0]
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    ratio = float(image.meta.get("ScansideScaleRatio", 1.0))  # type: ignore[arg-type]
    for z in range(shape[0]):
        yield _object(image, source, stored(volume[z], ratio), plane(image.head, shape, z), z)


def _object(image: Image, source: Source, pixels: Stored, place: Plane | None, z: int) -> Dataset:
    out = Dataset()
    _identify(out, source)
    _series(out, image, source)
    _instance(out, image, source, pixels, z)
    _contrast(out, source)
    if place:
        _place(out, place, source)
    _pixels(out, pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, out.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid("scanside", "implementation"))
    meta.ImplementationVersionName = f"SCANSIDE_{server.__version__}"[:16]
    out.file_meta = meta
    return out


def _identify(out: Dataset, source: Source) -> None:
    who = source.identity
    out.SpecificCharacterSet = "ISO_IR 192"
    out.PatientName, out.PatientID = who.patient_name, who.patient_id
    out.PatientBirthDate, out.PatientSex = who.birth_date, who.sex if who.sex in "MFO" else ""
    if who.weight:
        out.PatientWeight = round(who.weight, 3)
    if who.height:
        out.PatientSize = round(who.height, 3)
    out.StudyInstanceUID, out.StudyID = source.study, who.study_id[:16]
    out.AccessionNumber = who.accession[:16]
    out.StudyDate, out.StudyTime = who.study_date, who.study_time
    out.StudyDescription, out.ReferringPhysicianName = who.study_description[:64], who.referring
    out.Manufacturer = who.manufacturer or "Scanside"
    out.ManufacturerModelName, out.InstitutionName = who.model[:64], who.institution[:64]
    out.StationName, out.DeviceSerialNumber = who.station[:16], who.device[:64]
    out.SoftwareVersions = f"scanside {server.__version__}"
    if who.body_part:
        out.BodyPartExamined = who.body_part.upper()[:16]


def _series(out: Dataset, image: Image, source: Source) -> None:
    number = int(image.head["image_series_index"])
    out.Modality, out.Laterality = "MR", ""
    out.SeriesNumber = number
    out.SeriesInstanceUID = uid("series", source.study, source.scan.measurement_id, source.recipe, number)
    out.SeriesDescription = " ".join(
        filter(None, (source.identity.protocol, _text(image, "SeriesDescriptionAdditional")))
    )[:64]
    out.ProtocolName = source.identity.protocol[:64]
    out.PatientPosition = source.scan.patient_position[:16]
    frame = source.identity.frame_of_reference
    out.FrameOfReferenceUID = UID(frame) if UID(frame).is_valid else UID(uid("frame", source.study))
    out.PositionReferenceIndicator = ""


def _instance(out: Dataset, image: Image, source: Source, pixels: Stored, z: int) -> None:
    digest = hashlib.sha256(pixels.data.tobytes()).hexdigest()
    number = int(image.head["image_index"])
    out.SOPClassUID = MRImageStorage
    out.SOPInstanceUID = uid("object", out.SeriesInstanceUID, number, z, digest)
    out.InstanceNumber = number if image.data.shape[1] == 1 else (number - 1) * image.data.shape[1] + z + 1
    kind = KINDS.get(ImageType(int(image.head["image_type"]) or 1), "M")
    out.ImageType = ["DERIVED", "PRIMARY", kind, image.role.upper()]
    out.ContentDate, out.ContentTime = out.StudyDate, out.StudyTime
    out.AcquisitionNumber = int(image.head["repetition"]) + 1
    out.ImageComments = _comments(image)
    out.DerivationDescription = f"{source.recipe}"[:1024]


def _comments(image: Image) -> str:
    said = _text(image, "ImageComments")
    learned = image.meta.get("ScansideModel", "none") != "none"
    quantitative = image.role == "report" or "ScansideUnit" in image.meta
    return f"{WARNING}; {said}" if learned or quantitative else said


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
    out.WindowCenter, out.WindowWidth = (round(each, 3) for each in pixels.window)
    out.PixelData = pixels.data.astype("<u2").tobytes()


def _text(image: Image, name: str) -> str:
    value = image.meta.get(name, "")
    return str(value)


def is_storable(image: Image) -> bool:
    """Whether this image has a form in DICOM: real values, one channel."""
    return not image.data.is_complex() and image.data.shape[0] == 1 and image.data.dtype != torch.bool
