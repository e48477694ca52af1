"""What a modality worklist knows of a scan whose header lacks patient, study or accession number (C-FIND)."""

from collections.abc import Sequence
from dataclasses import replace

from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from server.dicom.association import associate
from server.dicom.destination import Worklist
from server.dicom.identity import REQUIRED, Identity
from server.errors import DicomError

PENDING = (0xFF00, 0xFF01)

GUARDS = {"birth_date": "PatientBirthDate", "sex": "PatientSex"}
"""Where header and worklist both say these and differ, it is another patient."""


def resolved(who: Identity, worklist: Worklist) -> Identity:
    """The identity with what its only entry in the worklist adds.

    Raises DicomError when the header names nothing to look up, when there is no entry or more than one, and
    when the entry contradicts the header. No identifier stands in its text.
    """
    if len(who.lacking) == len(REQUIRED):
        raise DicomError("the header names neither patient nor study to look up in the worklist")
    found = [each for each in _asked(who, worklist) if _agrees(who, each)]
    if len(found) != 1:
        raise DicomError(f"the worklist has {len(found)} entries that fit the header, expected 1")
    (entry,) = found
    for name, keyword in GUARDS.items():
        if (ours := getattr(who, name)) and (theirs := _said(entry, keyword)) and ours != theirs:
            raise DicomError(f"the worklist's entry has another {keyword} than the header")
    full = replace(
        who,
        study_uid=who.study_uid or _said(entry, "StudyInstanceUID"),
        patient_id=who.patient_id or _said(entry, "PatientID"),
        accession=who.accession or _said(entry, "AccessionNumber"),
        patient_name=who.patient_name or _said(entry, "PatientName"),
        birth_date=who.birth_date or _said(entry, "PatientBirthDate"),
        sex=who.sex or _said(entry, "PatientSex"),
        referring=who.referring or _said(entry, "ReferringPhysicianName"),
        study_id=who.study_id or _said(entry, "RequestedProcedureID"),
    )
    if full.lacking:
        raise DicomError(f"the worklist's entry has no {', '.join(full.lacking)}")
    return full


def _asked(who: Identity, worklist: Worklist) -> Sequence[Dataset]:
    """What the worklist answers.

    Raises DicomError when it does not.
    """
    kind = ModalityWorklistInformationFind
    link, fault = associate(worklist, [str(kind)], worklist.patience)
    if link is None:
        raise DicomError(f"the worklist: {fault.reason}")
    try:
        answers = list(link.send_c_find(_query(who), kind))
    except (ValueError, RuntimeError):
        raise DicomError("the worklist does not answer") from None
    finally:
        if link.is_established:
            link.release()
    if not answers or getattr(answers[-1][0], "Status", None) != 0:
        raise DicomError("the worklist refuses or does not answer")
    return [found for status, found in answers if status.Status in PENDING and found is not None]


def _query(who: Identity) -> Dataset:
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    for name, keyword in REQUIRED.items():
        setattr(query, keyword, getattr(who, name))
    for keyword in ("PatientName", "ReferringPhysicianName", "RequestedProcedureID", *GUARDS.values()):
        setattr(query, keyword, "")
    step = Dataset()
    step.Modality, step.ScheduledProcedureStepStartDate, step.ScheduledStationAETitle = "MR", "", ""
    query.ScheduledProcedureStepSequence = [step]
    return query


def _agrees(who: Identity, entry: Dataset) -> bool:
    """Whether it has what the header says: servers may match more loosely than was asked."""
    known = ((getattr(who, name), keyword) for name, keyword in REQUIRED.items())
    return all(ours == _said(entry, keyword) for ours, keyword in known if ours)


def _said(entry: Dataset, keyword: str) -> str:
    return str(entry.get(keyword, "") or "").strip()
