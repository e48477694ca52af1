"""Whose images these are, as the measurement's header says it."""

from dataclasses import dataclass, field
from typing import Any

from server.errors import DicomError
from server.wire.header import sections
from server.wire.xml import Malformed

REQUIRED = {
    "study_uid": "StudyInstanceUID",
    "patient_id": "PatientID",
    "accession": "AccessionNumber",
}
"""What an object must carry to reach an archive: without it there it becomes an orphan study."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Patient, study and measurement; texts are empty where the header says nothing."""

    study_uid: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    accession: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    """YYYYMMDD."""

    sex: str = field(default="", repr=False)
    """``M``, ``F`` or ``O``."""

    weight: float | None = None
    """[kg]."""

    height: float | None = None
    """[m]."""

    study_date: str = field(default="", repr=False)
    study_time: str = field(default="", repr=False)
    """YYYYMMDD and HHMMSS."""

    study_id: str = field(default="", repr=False)
    study_description: str = field(default="", repr=False)
    referring: str = field(default="", repr=False)
    body_part: str = ""
    measurement: str = field(default="", repr=False)
    frame_of_reference: str = field(default="", repr=False)
    protocol: str = ""
    manufacturer: str = ""
    model: str = ""
    institution: str = field(default="", repr=False)
    station: str = field(default="", repr=False)
    device: str = field(default="", repr=False)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Which attributes an archive needs that are not there, by their DICOM names."""
        return tuple(name for key, name in REQUIRED.items() if not getattr(self, key))

    def require(self) -> None:
        """Refuse what would be an orphan in an archive.

        Raises DicomError that names what the header lacks.
        """
        if self.lacking:
            raise DicomError(
                f"the header has no {', '.join(self.lacking)}: no object of this scan goes to an archive"
            )


def identity(xml: str) -> Identity:
    """What the header says; everything is empty when it is no header."""
    if not xml.lstrip("\ufeff \t\r\n").startswith("<"):
        return Identity()
    try:
        header = sections(xml)
    except Malformed:
        return Identity()
    study, measurement = header.studyInformation, header.measurementInformation
    system, subject = header.acquisitionSystemInformation, header.subjectInformation
    return Identity(
        study_uid=_text(study, "studyInstanceUID"),
        accession=_text(study, "accessionNumber"),
        study_date=_digits(_text(study, "studyDate"))[:8],
        study_time=_digits(_text(study, "studyTime"))[:6],
        study_id=_text(study, "studyID"),
        study_description=_text(study, "studyDescription"),
        referring=_text(study, "referringPhysicianName"),
        body_part=_text(study, "bodyPartExamined"),
        **_subject(subject),
        measurement=_text(measurement, "measurementID"),
        frame_of_reference=_text(measurement, "frameOfReferenceUID"),
        protocol=_text(measurement, "protocolName"),
        manufacturer=_text(system, "systemVendor"),
        model=_text(system, "systemModel"),
        institution=_text(system, "institutionName"),
        station=_text(system, "stationName"),
        device=_text(system, "deviceSerialNumber") or _text(system, "deviceID"),
    )


def _subject(subject: Any) -> dict[str, Any]:  # noqa: ANN401 - ismrmrd's generated classes
    return {
        "patient_id": _text(subject, "patientID"),
        "patient_name": _text(subject, "patientName"),
        "birth_date": _digits(_text(subject, "patientBirthdate"))[:8],
        "sex": _text(subject, "patientGender")[:1].upper(),
        "weight": _number(subject, "patientWeight_kg"),
        "height": _number(subject, "patientHeight_m"),
    }


def _text(section: object, name: str) -> str:
    value = getattr(section, name, None)
    return str(getattr(value, "value", value) or "").strip()


def _number(section: object, name: str) -> float | None:
    try:
        return float(getattr(section, name, None))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _digits(text: str) -> str:
    return "".join(each for each in text.split(".")[0] if each.isdigit())
