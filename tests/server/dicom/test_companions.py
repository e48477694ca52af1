"""Maps, labels and reports as objects: values, codes and places survive; the standard finds no error."""

import json
import shutil
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydicom import dcmread

from server.dicom import codes
from server.dicom.archiving import Archiving, Wanted
from server.dicom.burn import band
from server.dicom.outbox import Outbox
from server.dicom.sink import Sink
from tests.server.dicom.test_objects import image, noise, source

CLASSES = {
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.30": "PM",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.88.34": "SR",
    "1.2.840.10008.5.1.4.1.1.7": "SC",
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
}

HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><subjectInformation><patientName>Doe^Jane
</patientName><patientID>P1</patientID></subjectInformation><studyInformation><studyDate>2026-01-02</studyDate>
<studyTime>10:11:12</studyTime><accessionNumber>A1</accessionNumber><studyInstanceUID>1.2.3</studyInstanceUID>
</studyInformation></ismrmrdHeader>"""

FLOW = 0.4 * torch.rand(1, 1, 24, 100, generator=torch.Generator().manual_seed(1))
LABELS = (torch.arange(2400).reshape(1, 1, 24, 100) % 4).to(torch.int16)
NUMBERS = {
    "title": "Perfusion",
    "procedure": "perfusion",
    "method": "BTEX",
    "flags": ["AIF saturated"],
    "measurements": [
        {"quantity": "mbf", "value": 2.125, "unit": "ml/min/g", "site": f"aha:{each}", "statistic": "mean"}
        for each in range(1, 17)
    ]
    + [{"quantity": "lv_ef", "value": 61.5, "unit": "%"}, {"quantity": "of_our_own", "value": 1}],
}


def slices(data, series, role="image", meta=None, count=3):
    for z in range(count):
        head = {"position": (8 * z, 20, 30), "slice": z, "image_series_index": series, "image_index": z + 1}
        made = image(data + z if data.is_floating_point() else data, field_of_view=(300, 72, 8), **head)
        yield replace(made, role=role, meta=(meta or {}) | {"SeriesDescriptionAdditional": "X"})


def scan():
    """What a quantitative chain sends: images, a map, labels, a report with numbers."""
    model = {"ScansideModel": "heart 1", "ScansideModelHash": "ab" * 32}
    yield from slices(noise(1, 1, 24, 100), 1)
    yield from slices(FLOW, 5, meta={"ScansideQuantity": "mbf", "ScansideUnit": "ml/min/g"})
    names = ["lv", "myocardium", "rv"]
    yield from slices(LABELS, 6, meta={"ScansideLabels": names, **model})
    picture = (255 * torch.rand(3, 1, 64, 80)).to(torch.uint16)
    said = {"ScansideReport": json.dumps(NUMBERS)}
    yield from slices(picture, 400, role="report", meta=said, count=1)


def built(folder):
    told = []
    archiving = Archiving(folder=folder, wanted=[Wanted(name="pacs", identified=True)], session="s")
    sink = Sink(archiving, source().scan, HEADER, "Fourier()", "perfusion")
    sink.tell = told.append
    sink.begin()
    for each in scan():
        sink.take(each)
    sink.finish()
    assert told == []
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return built(tmp_path_factory.mktemp("outbox"))


@pytest.fixture(scope="module")
def found(folder):
    made = {}
    for entry in Outbox(folder).entries():
        made.setdefault(CLASSES[entry.kind], []).append(dcmread(entry.file))
    return made


def test_every_kind_of_object_is_made(found):
    counts = {kind: len(each) for kind, each in found.items()}
    assert counts == {"MR": 9, "SC": 1, "PM": 1, "SEG": 1, "SR": 1, "PDF": 1}


def test_the_standard_finds_no_error_in_any(folder):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    for entry in Outbox(folder).entries():
        shown = subprocess.run(["dciodvfy", entry.file], capture_output=True, text=True)
        errors = [line for line in shown.stderr.splitlines() if line.startswith("Error")]
        assert errors == [], CLASSES[entry.kind]


def test_a_map_holds_its_values_its_unit_and_where_it_lies(found):
    (made,) = found["PM"]
    shared = made.SharedFunctionalGroupsSequence[0]
    mapping = shared.RealWorldValueMappingSequence[0]
    unit, kind = mapping.MeasurementUnitsCodeSequence[0], mapping.QuantityDefinitionSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("ml/min/g", "UCUM")
    assert kind.ConceptCodeSequence[0].CodeValue == "126390"
    places = [each.PlanePositionSequence[0] for each in made.PerFrameFunctionalGroupsSequence]
    for values, place in zip(made.pixel_array, places, strict=True):
        assert np.array_equal(values, (FLOW[0, 0] + place.ImagePositionPatient[0] / 8).numpy())
    mains = [each for each in found["MR"] if each.SeriesNumber == 1]
    lie = [sorted(list(each.ImagePositionPatient) for each in several) for several in (places, mains)]
    assert lie[0] == lie[1]
    assert made.FrameOfReferenceUID == mains[0].FrameOfReferenceUID


def test_a_segmentation_holds_each_label_as_a_coded_segment(found):
    (made,) = found["SEG"]
    kinds = [each.SegmentedPropertyTypeCodeSequence[0].CodeValue for each in made.SegmentSequence]
    assert kinds == ["87878005", "49848007", "53085002"]
    masks = {number: [] for number in (1, 2, 3)}
    for mask, group in zip(made.pixel_array, made.PerFrameFunctionalGroupsSequence, strict=True):
        masks[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber].append(mask)
    for number, planes in masks.items():
        assert np.array_equal(planes, [LABELS[0, 0].numpy() == number] * 3), "labels"
    assert made.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "heart 1"


def _numbers(item, site=""):
    for each in item.get("ContentSequence", ()):
        name = each.ConceptNameCodeSequence[0].CodeValue
        if name == "363698007":
            site = each.ConceptCodeSequence[0].CodeValue
    for each in item.get("ContentSequence", ()):
        if each.ValueType == "NUM":
            value = each.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            yield site, each.ConceptNameCodeSequence[0].CodeValue, float(value.NumericValue), unit
        yield from _numbers(each, site)


def test_a_report_holds_every_number_with_its_code_unit_and_site(found):
    (made,) = found["SR"]
    numbers = list(_numbers(made))
    assert len(numbers) == 18
    for number in range(1, 17):
        assert (codes.SEGMENTS[number - 1].value, "126390", 2.125, "ml/min/g") in numbers
    assert ("80891009", "8811-2", 61.5, "%") in numbers
    texts = [each.TextValue for each in made.ContentSequence if each.ValueType == "TEXT"]
    assert texts[-3:] == ["not for diagnosis", "method: BTEX", "AIF saturated"]
    assert made.CompletionFlagDescription == "not for diagnosis"


def test_pictures_and_documents_open(found):
    (picture,), (document,) = found["SC"], found["PDF"]
    assert picture.pixel_array.shape == (64 + band(80).shape[0], 80, 3)
    data = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert data.startswith(b"%PDF")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"Doe" not in data


def test_everything_quantitative_or_learned_says_it_is_not_for_diagnosis(found):
    for made in (*found["PM"], *found["SEG"], *found["SC"]):
        assert made.ImageComments == "not for diagnosis"
    for made in found["MR"]:
        plain = made.SeriesNumber == 1
        assert made.get("ImageComments", "").startswith("not for diagnosis") != plain
        assert made.Rows == (24 if plain else 24 + band(100).shape[0])


def test_every_object_says_what_made_it(found):
    for each in (made for several in found.values() for made in several):
        said = list(each.SoftwareVersions)
        assert said[0].startswith("scanside ")
        assert said[1] == "chain perfusion"
        assert said[2].startswith("configuration ")
        assert (each.StudyInstanceUID, each.PatientID, each.AccessionNumber) == ("1.2.3", "P1", "A1")
    assert found["SEG"][0].SoftwareVersions[3] == "model heart 1 abababababab"


def test_the_same_scan_gives_the_same_bytes_at_another_time(folder, tmp_path):
    time.sleep(1.1)
    torch.manual_seed(0)
    again = built(tmp_path)
    files = {each.name: each.read_bytes() for each in folder.rglob("*.dcm")}
    assert files == {each.name: each.read_bytes() for each in again.rglob("*.dcm")}


def test_what_is_burnt_in_covers_no_pixel_and_fits():
    for columns in (48, 64, 100, 256, 512):
        words = band(columns)
        assert words.shape[1] == columns
        assert words.any(axis=1).sum() >= 7


def test_two_planes_in_one_place_become_no_map_and_the_rest_goes(tmp_path):
    told = []
    archiving = Archiving(folder=tmp_path, wanted=[Wanted(name="pacs", identified=False)], session="s")
    sink = Sink(archiving, source().scan, HEADER, "Fourier()")
    sink.tell = told.append
    sink.begin()
    meta = {"ScansideQuantity": "mbf", "ScansideUnit": "ml/min/g"}
    (one,) = slices(FLOW, 5, meta=meta, count=1)
    sink.take(one)
    other = one.head.copy()
    other["image_index"] = 2
    sink.take(replace(one, head=other))
    assert sink.finish() == 2
    assert told == ["series 5 becomes no parametric map: two planes of one moment lie in one place"]


def test_numbers_that_cannot_be_read_are_said_and_the_picture_goes(tmp_path):
    told = []
    archiving = Archiving(folder=tmp_path, wanted=[Wanted(name="pacs", identified=False)], session="s")
    sink = Sink(archiving, source().scan, HEADER, "Fourier()")
    sink.tell = told.append
    sink.begin()
    for each in slices(noise(3, 1, 24, 100), 400, role="report", meta={"ScansideReport": "{"}, count=1):
        sink.take(each)
    assert sink.finish() == 1
    assert "cannot be read" in " ".join(told) or "no structured report" in told[0]


def test_every_code_of_the_standard_is_what_the_standard_calls_so():
    from pydicom.sr._concepts_dict import concepts

    tables = (codes.QUANTITIES, codes.REGIONS, codes.STATISTICS, codes.PROCEDURES, codes.FAMILIES)
    ours = [each for table in tables for each in table.values()] + list(codes.SEGMENTS)
    for each in ours:
        if each.scheme != codes.OURS:
            known = [found[each.value][0] for found in concepts[each.scheme].values() if each.value in found]
            assert each.meaning.lower() in {one.lower() for one in known}, each


def test_a_report_that_refuses_has_no_numbers_and_says_why_in_its_document(tmp_path):
    archiving = Archiving(folder=tmp_path, wanted=[Wanted(name="pacs", identified=False)], session="s")
    sink = Sink(archiving, source().scan, HEADER, "Fourier()")
    told = []
    sink.tell = told.append
    sink.begin()
    said = {"ScansideReport": json.dumps({"title": "Function", "measurements": [], "flags": ["no heart"]})}
    for each in slices(noise(3, 1, 24, 100), 400, role="report", meta=said, count=1):
        sink.take(each)
    assert sink.finish() == 2
    assert told == []
    kinds = sorted(CLASSES[each.kind] for each in Outbox(tmp_path).entries())
    assert kinds == ["PDF", "SC"]


def test_a_map_of_small_values_keeps_them_in_its_plain_image_too(found):
    for made in (each for each in found["MR"] if each.SeriesNumber == 5):
        values = made.pixel_array[:24] * float(made.RescaleSlope) + float(made.RescaleIntercept)
        assert np.abs(values - (FLOW[0, 0] + made.InstanceNumber - 1).numpy()).max() <= 1e-4
