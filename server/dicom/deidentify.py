"""Objects without identity: the Basic Application Level Confidentiality Profile of DICOM PS3.15, annex E.

What is to become of each attribute is table E.1-1 (2026c), as the package ``dicom-anonymizer`` has it.
Patients and UIDs get names by the site's key: a patient's scans stay together, references hold.
"""

import hashlib
from collections.abc import Callable, Iterable

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from server.dicom.study import WARNING, sealed
from server.dicom.uids import uid
from server.pseudonym import pseudonym

LEFT_OUT = (SecondaryCaptureImageStorage, EncapsulatedPDFStorage)
"""Pictures and documents: what a chain wrote into them cannot be cleaned."""

DUMMIES = {
    "ContentDate": "19000101",
    "ContentTime": "000000",
    "DeviceSerialNumber": "unknown",
    "AcquisitionDateTime": "19000101000000",
}
"""Values for what may not be empty in some objects."""

RECURSED = (
    "ContentSequence",
    "SourceImageSequence",
    "AcquisitionContextSequence",
    "ReferencedPerformedProcedureStepSequence",
)
"""Sequences that the table lets be emptied or cleaned: their items are cleaned."""

BASIC = ("113100", "DCM", "Basic Application Confidentiality Profile")


def is_cleanable(kind: str) -> bool:
    """Whether objects of this SOP class can go without identity."""
    return kind not in LEFT_OUT


def deidentified(made: Dataset, key: bytes) -> Dataset:
    """A copy of the object under the profile.

    Raises ValueError for an object that cannot be cleaned (``is_cleanable``).
    """
    if not is_cleanable(str(made.SOPClassUID)):
        raise ValueError(f"a {UID(made.SOPClassUID).name} cannot go without identity")
    patient = pseudonym(str(made.PatientID), key)
    kept = _cleaned(made, _table(), lambda old: _named(old, key))
    kept.PatientID = kept.PatientName = patient
    if "Rows" in kept:
        kept.ImageComments = WARNING
    kept.PatientIdentityRemoved, kept.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    kept.DeidentificationMethod = "DICOM PS3.15 E.1-1 2026c, basic profile"
    method = Dataset()
    method.CodeValue, method.CodingSchemeDesignator, method.CodeMeaning = BASIC
    kept.DeidentificationMethodCodeSequence = [method]
    return sealed(kept)


def _named(old: str, key: bytes) -> str:
    """The UID that stands for another; nothing is to be learned from it without the key."""
    return uid("deidentified", hashlib.sha256(key + old.encode()).hexdigest())


def _table() -> dict[int, str]:
    """Table E.1-1: actions by tag, those that leave a choice as they are."""
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as fields

    actions = {name[:-5]: tags for name, tags in vars(fields).items() if name.endswith("_TAGS")}
    return {
        each[0] << 16 | each[1]: action
        for action, tags in actions.items()
        if action != "ALL"
        for each in tags
        if len(each) == 2
    }


def _cleaned(item: Dataset, table: dict[int, str], renamed: Callable[[str], str]) -> Dataset:
    out = Dataset()
    for element in item:
        if element.tag.is_private:
            continue
        action = table.get(int(element.tag), "")
        if element.keyword in RECURSED or (element.VR == "SQ" and not action):
            items = [_cleaned(each, table, renamed) for each in _allowed(element.value)]
            out.add(DataElement(element.tag, "SQ", items))
        elif not action:
            out.add(element)
        elif action == "U":
            out.add(DataElement(element.tag, "UI", renamed(str(element.value))))
        elif element.keyword in DUMMIES:
            out.add(DataElement(element.tag, element.VR, DUMMIES[element.keyword]))
        elif not action.startswith("X"):
            out.add(DataElement(element.tag, element.VR, None))
    return out


def _allowed(items: Iterable[Dataset]) -> Iterable[Dataset]:
    """Of a report's content: codes, numbers and references, no text but our own."""
    return (each for each in items if each.get("ValueType") != "TEXT" or each.TextValue == WARNING)
