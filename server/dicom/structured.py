"""Numbers as a Comprehensive 3D SR, an imaging measurement report (PS3.16, template 1500)."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from gadgets.data import Image
from server.dicom import codes
from server.dicom.derived import settled
from server.dicom.numbers import REPORT, Measurement, Numbers, numbers
from server.dicom.study import NUMBERS, WARNING, Source
from server.dicom.uids import uid

if TYPE_CHECKING:
    from highdicom.sr import Measurement as Item
    from highdicom.sr import MeasurementReport, MeasurementsAndQualitativeEvaluations

LANGUAGE = codes.Concept("en-US", "RFC5646", "English (United States)")
COMMENT = codes.Concept("121106", "DCM", "Comment")


def structured_report(image: Image, evidence: Sequence[Dataset], source: Source, number: int) -> Dataset:
    """The report of the numbers that an image carries; ``evidence``: the objects that they are from.

    Raises DicomError when the numbers cannot be read.
    """
    from highdicom.sr import Comprehensive3DSR

    said = numbers(image)
    series = int(image.head["image_series_index"]) + NUMBERS["structured"]
    digest = hashlib.sha256(str(image.meta[REPORT]).encode()).hexdigest()
    name = uid("structured", source.series(series), number, digest)
    made = Comprehensive3DSR(
        list(evidence),
        _content(said, source, name),
        source.series(series),
        series,
        name,
        number,
        manufacturer="Scanside",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    made.SoftwareVersions = source.versions([image])  # type: ignore[assignment]
    made.CompletionFlagDescription = WARNING
    return settled(made, source, series, said.title)


def _content(said: Numbers, source: Source, name: str) -> "MeasurementReport":
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        LanguageOfContentItemAndDescendants,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes as standard

    device = DeviceObserverIdentifyingAttributes(
        uid("observer", source.study, source.identity.device), name="Scanside", manufacturer_name="Scanside"
    )
    observer = ObserverContext(standard.DCM.Device, device)
    groups = [_group(site, found, said, name) for site, found in said.by_site()]
    report = MeasurementReport(
        ObservationContext(observer),
        codes.PROCEDURES[said.procedure].code(),
        groups or None,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(CodedConcept(*LANGUAGE)),
    )
    _remark(report, said)
    return report


def _group(
    site: str, found: Sequence[Measurement], said: Numbers, name: str
) -> "MeasurementsAndQualitativeEvaluations":
    from highdicom.sr import FindingSite, MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(uid("group", name, site), site or "whole"),
        finding_sites=[FindingSite(codes.site(site or "heart").code())],
        measurements=[_item(each) for each in found],
    )


def _item(each: Measurement) -> "Item":
    from highdicom.sr import Measurement as Item

    derivation = codes.STATISTICS[each.statistic].code() if each.statistic else None
    return Item(
        codes.quantity(each.quantity).code(), each.value, codes.unit(each.unit).code(), derivation=derivation
    )


def _remark(report: "MeasurementReport", said: Numbers) -> None:
    """Say in the report what a reader has to know, beginning with what it is not for."""
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    method = (f"method: {said.method}",) if said.method else ()
    for text in (WARNING, *method, *said.flags):
        report[0].ContentSequence.append(
            TextContentItem(COMMENT.code(), text[:1024], RelationshipTypeValues.CONTAINS)
        )
