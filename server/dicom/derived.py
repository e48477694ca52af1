"""What highdicom makes, made ours: our series, our comments, and nothing in it that depends on the day."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from server.dicom.study import WARNING, Source, enrol, identify, sealed
from server.dicom.uids import uid

MOVING = ("DimensionOrganizationUID", "TransactionUID")
"""Identifiers that highdicom makes by chance."""

TIMES = ("InstanceCreationDate", "InstanceCreationTime", "TimezoneOffsetFromUTC", "ContributionDateTime")
"""Times of making, which would make each making another object."""


def settled(made: Dataset, source: Source, series: int, description: str) -> Dataset:
    """The object as one of this study, the same each time it is made."""
    identify(made, source)
    enrol(made, source, series, description)
    made.Manufacturer = "Scanside"
    made.ManufacturerModelName = made.ManufacturerModelName or "Scanside"
    made.DeviceSerialNumber = made.DeviceSerialNumber or "unknown"
    if "Rows" in made:
        made.ImageComments = WARNING
    _still(made)
    return sealed(made)


def _still(made: Dataset) -> None:
    """Replace identifiers of chance by ones that follow from the object's, and leave out when it was made."""
    known: dict[str, str] = {}
    for each in _all(made):
        for name in MOVING:
            if name in each:
                old = str(each[name].value)
                known.setdefault(old, uid("within", made.SOPInstanceUID, len(known)))
                each[name].value = known[old]
        for name in TIMES:
            if name in each:
                delattr(each, name)


def _all(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _all(item)
