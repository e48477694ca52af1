"""Objects without identity: no identifier is left, references hold, the standard finds no error."""

import shutil
import subprocess

import numpy as np
import pytest
from pydicom import dcmread

from server.dicom.archiving import Archiving, Wanted
from server.dicom.deidentify import deidentified
from server.dicom.outbox import Outbox
from server.dicom.sink import Sink
from tests.server.dicom import test_companions as companions
from tests.server.dicom.test_objects import source

HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><subjectInformation>
<patientName>Secretname^Jane</patientName><patientWeight_kg>71.25</patientWeight_kg>
<patientID>SECRETID</patientID><patientBirthdate>1971-02-03</patientBirthdate><patientGender>F</patientGender>
</subjectInformation><studyInformation><studyDate>2026-01-02</studyDate><studyTime>10:11:12</studyTime>
<studyID>SECRETSTUDY</studyID><accessionNumber>SECRETACC</accessionNumber>
<referringPhysicianName>Secretdoc</referringPhysicianName><studyDescription>SECRETDESC</studyDescription>
<studyInstanceUID>1.2.77777</studyInstanceUID></studyInformation><measurementInformation>
<measurementID>SECRETMEAS</measurementID><protocolName>SECRETPROT</protocolName>
<frameOfReferenceUID>1.2.88888</frameOfReferenceUID></measurementInformation><acquisitionSystemInformation>
<institutionName>SECRETHOSPITAL</institutionName><stationName>SECRETSTATION</stationName>
<deviceSerialNumber>SECRETDEVICE</deviceSerialNumber></acquisitionSystemInformation></ismrmrdHeader>"""

SECRETS = (b"secret", b"1.2.77777", b"1.2.88888", b"20260102", b"101112", b"19710203", b"71.25")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANSIDE_STATE", str(folder))
        wanted = [
            Wanted(name="pacs", identified=True),
            Wanted(name="research", identified=False, deidentify=True),
        ]
        sink = Sink(
            Archiving(folder=folder / "outbox", wanted=wanted, session="s"),
            source().scan,
            HEADER,
            "Fourier()",
        )
        sink.begin()
        for each in companions.scan():
            sink.take(each)
        sink.finish()
    made = {"pacs": [], "research": []}
    for entry in Outbox(folder / "outbox").entries():
        made[entry.archive].append(entry.file)
    return made


def test_no_identifier_is_left_in_any_byte(found):
    assert len(found["research"]) == 12
    for file in found["research"]:
        data = file.read_bytes().lower()
        assert [each for each in SECRETS if each in data] == [], companions.CLASSES[dcmread(file).SOPClassUID]


def test_pictures_and_documents_are_left_out(found):
    kinds = {companions.CLASSES[dcmread(each).SOPClassUID] for each in found["research"]}
    assert kinds == {"MR", "PM", "SEG", "SR"}
    assert len(found["pacs"]) == 14


def test_values_and_numbers_are_kept_and_references_hold(found):
    plain = [dcmread(each) for each in found["pacs"]]
    bare = [dcmread(each) for each in found["research"]]
    names = {str(each.SOPInstanceUID) for each in bare}
    (one,) = (each for each in plain if "FloatPixelData" in each)
    (other,) = (each for each in bare if "FloatPixelData" in each)
    assert np.array_equal(one.pixel_array, other.pixel_array)
    (report,) = (each for each in bare if each.Modality == "SR")
    assert len(list(companions._numbers(report))) == 18
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert {str(each.ReferencedSOPInstanceUID) for each in evidence.ReferencedSOPSequence} <= names
    assert len({each.StudyInstanceUID for each in bare}) == len({each.PatientID for each in bare}) == 1
    assert {each.PatientIdentityRemoved for each in bare} == {"YES"}


def test_names_depend_on_the_key(found):
    (made,) = (dcmread(each) for each in found["pacs"][:1])
    one, same, other = (deidentified(made, key) for key in (b"a" * 32, b"a" * 32, b"b" * 32))
    assert one == same
    assert one.PatientID != other.PatientID
    assert one.SOPInstanceUID != other.SOPInstanceUID != made.SOPInstanceUID


def test_the_standard_finds_no_error_without_identity(found):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    for file in found["research"]:
        shown = subprocess.run(["dciodvfy", file], capture_output=True, text=True)
        errors = [line for line in shown.stderr.splitlines() if line.startswith("Error")]
        assert errors == [], companions.CLASSES[dcmread(file).SOPClassUID]
