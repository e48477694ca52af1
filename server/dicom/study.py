"""What all objects of one scan share: patient, study, equipment, versions, the frame of reference."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

import server
from gadgets.data import Image
from gadgets.scan import Scan
from server.dicom.identity import Identity
from server.dicom.uids import uid

WARNING = "not for diagnosis"
"""Stands in the comments of every object that is learned or quantitative, and is burnt into it."""

NUMBERS = {"map": 10_000, "labels": 20_000, "capture": 30_000, "structured": 40_000, "document": 50_000}
"""Added to an image's series number for the series of what was made of it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What all objects of one scan share."""

    identity: Identity
    scan: Scan
    recipe: str
    """What made the images: chain, parameters, software; objects of other recipes are other objects."""

    chain: str = ""
    """The chain's name; empty for one that was written out."""

    @property
    def study(self) -> str:
        """The header's study UID, or one made of what the header says."""
        given = self.identity.study_uid
        return given if UID(given).is_valid else uid("study", self.identity, self.scan.measurement_id)

    @property
    def frame(self) -> str:
        """The header's frame of reference, or one for the study."""
        given = self.identity.frame_of_reference
        return given if UID(given).is_valid else uid("frame", self.study)

    def series(self, number: int) -> str:
        """The series of this number."""
        made = (server.__version__, self.chain, self.recipe)
        return uid("series", self.study, self.scan.measurement_id, *made, number)

    @property
    def configuration(self) -> str:
        """12 hexadecimal digits that differ when the chain or a parameter does."""
        return hashlib.sha256(self.recipe.encode()).hexdigest()[:12]

    def versions(self, images: Iterable[Image] = ()) -> list[str]:
        """Software, chain, configuration, and the models that made these images."""
        said = [f"scanside {server.__version__}", f"chain {self.chain or '(text)'}"[:64]]
        models = sorted({name for each in images for name in _models(each)})
        return [*said, f"configuration {self.configuration}", *models]


def _models(image: Image) -> Iterator[str]:
    name, weights = (str(image.meta.get(key, "")) for key in ("ScansideModel", "ScansideModelHash"))
    if name not in ("", "none"):
        yield f"model {name} {weights[:12]}".strip()[:64]


def cautious(image: Image) -> bool:
    """Whether its objects have to say that they are not for diagnosis: learned, quantitative, reports."""
    learned = image.meta.get("ScansideModel", "none") != "none"
    return learned or image.role == "report" or not {"ScansideUnit", "ScansideLabels"}.isdisjoint(image.meta)


def identify(out: Dataset, source: Source) -> None:
    """Write the modules of patient, study and equipment."""
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
    if who.body_part:
        out.BodyPartExamined = who.body_part.upper()[:16]


def enrol(out: Dataset, source: Source, number: int, description: str) -> None:
    """Write the series: ``number`` with the name of the protocol before its description."""
    out.SeriesNumber, out.SeriesInstanceUID = number, source.series(number)
    out.SeriesDescription = " ".join(filter(None, (source.identity.protocol, description)))[:64]
    out.ContentDate, out.ContentTime = out.StudyDate, out.StudyTime


def sealed(out: Dataset) -> Dataset:
    """With the file's head, as the object's class and UID say."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = out.SOPClassUID, out.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid("scanside", "implementation"))
    meta.ImplementationVersionName = f"SCANSIDE_{server.__version__}"[:16]
    out.file_meta = meta
    return out
