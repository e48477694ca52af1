"""A scan through the server ends in a real archive: Orthanc, started here on loopback."""

import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from server.dicom.commitment import ask, listen
from server.dicom.destination import Archive, Worklist
from server.dicom.identity import Identity
from server.dicom.outbox import Outbox
from server.dicom.store import deliver
from server.dicom.worklist import resolved
from tests.endtoend import orthanc as archives
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import spawned, start, surroundings, until
from tests.server.dicom.test_companions import CLASSES, _numbers
from tests.server.dicom.test_outbox import filled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(archives.ORTHANC is None, reason="Orthanc (Debian's orthanc) is not installed"),
    pytest.mark.timeout(300),
]

SUBJECT = (
    "<subjectInformation><patientName>Phantom^Shepp</patientName><patientID>PH1</patientID>"
    "</subjectInformation>"
)
STUDY = (
    "<studyInformation><studyDate>2026-01-02</studyDate><studyTime>10:11:12</studyTime>"
    "<accessionNumber>ACC7</accessionNumber><studyInstanceUID>1.2.826.0.1.3680043.10.1</studyInstanceUID>"
    "</studyInformation>"
)

QUANTIFY = """
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Quantify(Gadget):
    \"\"\"Behind each image a map, labels, and a report with numbers.\"\"\"

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        for image in stream:
            yield image
            unit = {"ScansideQuantity": "mbf", "ScansideUnit": "ml/min/g"}
            flow = image.data / image.data.max() * 4
            yield self.made(image, flow, 5, **unit)
            labels = (flow > 1).to(torch.int16) + (flow > 2).to(torch.int16)
            yield self.made(image, labels, 6, ScansideLabels=["lv", "myocardium"])
            mean = round(float(flow.mean()), 4)
            numbers = [{"quantity": "mbf", "value": mean, "unit": "ml/min/g", "site": "aha:1"}]
            report = {"title": "Flow", "procedure": "perfusion", "measurements": numbers}
            picture = (flow[0] * 63).to(torch.int16).expand(3, 1, *flow.shape[2:])
            shown = self.made(image, picture, 400, ScansideReport=json.dumps(report))
            yield replace(shown, role="report")

    def made(self, image: Image, data: torch.Tensor, series: int, **meta: object) -> Image:
        head = image.head.copy()
        head["image_series_index"] = series
        return Image(data=data, head=head, meta=meta)
"""

CHAIN = """
chain: [RemoveOversampling, Prewhiten, {Accumulate: {trigger: repetition}}, Fourier, Combine, Magnitude,
  Quantify]
"""


def identified(**options):
    xml, items = scan(**options)
    return re.sub("(<measurementInformation>)", SUBJECT + STUDY + r"\1", xml, count=1), items


def outbox(folder):
    return Outbox(folder / "outbox")


def counts(folder):
    made = outbox(folder)
    try:
        return made.counts()
    finally:
        made.close()


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_everything_that_a_scan_sends_ends_in_the_archive_once_and_again_changes_nothing(place, archive):
    more = "commitment = true", f"commitment_port = {archive.answers}"
    more += ("[[archives]]", 'name = "other"', 'folder = "/nowhere"', 'chains = ["perfusion"]')
    case = identified(repetitions=2)
    with spawned(place, "--settings", archive.settings(place, *more), plugin=QUANTIFY) as server:
        answer, images = send(server.address, said(CHAIN, case))
        assert not answer.error
        assert not answer.texts
        assert until(lambda: list(counts(place)) == ["committed"], 90), counts(place)
        found = [
            dcmread(DicomBytesIO(archive.bytes(f"/instances/{each}/file")))
            for each in archive.get("/instances")
        ]
        kinds = [CLASSES[each.SOPClassUID] for each in found]
        assert {kind: kinds.count(kind) for kind in set(kinds)} == {
            "MR": 6,
            "PM": 2,
            "SEG": 2,
            "SC": 2,
            "SR": 2,
            "PDF": 1,
        }
        assert {(each.PatientID, each.AccessionNumber) for each in found} == {("PH1", "ACC7")}
        assert {each.StudyInstanceUID for each in found} == {"1.2.826.0.1.3680043.10.1"}
        values(images, found)
        valid(found, place)
        send(server.address, said(CHAIN, case))
        time.sleep(2)
        assert counts(place) == {"committed": len(found)}
        assert len(archive.get("/instances")) == len(found)


def values(images, found):
    """What the console got is what the archive has."""
    flows = [each.data.numpy()[0, 0] for each in images if each.head["image_series_index"] == 5]
    kept = [each.pixel_array for each in found if "FloatPixelData" in each]
    assert all(any(np.array_equal(flow, each) for each in kept) for flow in flows)
    means = sorted(float(f"{flow.mean():.4f}") for flow in flows)
    told = sorted(value for each in found if each.Modality == "SR" for _, _, value, _ in _numbers(each))
    assert np.allclose(means, told, atol=1e-4)


def valid(found, folder):
    """The standard finds no error in what the archive has."""
    if shutil.which("dciodvfy"):
        for each in found:
            each.save_as(folder / "one.dcm")
            shown = subprocess.run(["dciodvfy", folder / "one.dcm"], capture_output=True, text=True)
            assert [line for line in shown.stderr.splitlines() if line.startswith("Error")] == []


def test_what_the_archive_lost_before_it_confirmed_is_sent_again(place, archive):
    box = outbox(place)
    rows = filled(box, count=3)
    pacs = Archive(
        name="pacs", host="127.0.0.1", port=archive.dicom, commitment=True, commitment_port=archive.answers
    )
    deliver(box, pacs)
    archive.lose(0)
    heard = listen(box, pacs)
    try:
        assert ask(box, pacs, box.entries("sent")) == ""
        assert until(lambda: box.counts() == {"committed": 2, "built": 1}, 30), box.counts()
        assert box.entries("built")[0].reason == "the archive does not have it"
        box.retry()
        deliver(box, pacs)
        assert len(archive.get("/instances")) == len(rows)
        assert ask(box, pacs, box.entries("sent")) == ""
        assert until(lambda: box.counts() == {"committed": 3}, 30), box.counts()
    finally:
        heard.shutdown()
        box.close()


def test_a_series_goes_by_dicomweb_once(place, archive):
    if not archives.WEB.exists():
        pytest.skip("Debian's orthanc-dicomweb is not installed")
    box = outbox(place)
    rows = filled(box, count=3)
    web = Archive(name="pacs", url=f"http://127.0.0.1:{archive.web}/dicom-web")
    for _ in range(2):
        deliver(box, web)
        assert box.counts() == {"sent": 3}
    assert sorted(each["SOPInstanceUID"] for each in archive.tags()) == sorted(row[2] for row in rows)
    box.close()


def test_a_real_worklist_says_what_a_header_lacks(archive):
    from tests.server.dicom.test_worklist import entry

    if not archives.WORKLISTS.exists():
        pytest.skip("Debian's orthanc has no worklists")
    from pydicom.dataset import Dataset
    from pydicom.filewriter import dcmwrite

    from server.dicom.study import sealed

    made = entry()
    made.SOPClassUID, made.SOPInstanceUID, made.SpecificCharacterSet = (
        "1.2.840.10008.5.1.4.31",
        "1.2.9",
        "ISO_IR 192",
    )
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate = (
        "MR",
        "SCANSIDE",
        "20260102",
    )
    made.ScheduledProcedureStepSequence = [step]
    dcmwrite(archive.folder / "worklists" / "one.wl", sealed(made), enforce_file_format=True)
    found = resolved(
        Identity(patient_id="P1"), Worklist(host="127.0.0.1", port=archive.dicom, title="ARCHIVE")
    )
    assert (found.study_uid, found.accession) == ("1.2.3.7", "A7")


def test_an_archive_that_is_down_and_a_server_that_is_killed_lose_nothing(place, archive):
    case = identified(repetitions=3)
    archive.end()
    server = start(place, "--settings", archive.settings(place))
    try:
        answer, images = send(server.address, said("cartesian_fft", case))
        assert not answer.error
        assert until(lambda: sum(counts(place).values()) == len(images), 30)
    finally:
        server.kill()
        server.process.stdout.close()
        archive.begin()
    assert counts(place) == {"built": 3}
    outbox(place).retry()
    with spawned(place, "--settings", archive.settings(place)):
        assert until(lambda: counts(place) == {"sent": 3}, 60), counts(place)
        assert len(archive.get("/instances")) == 3


def test_a_scan_without_a_patient_is_refused_aloud(place, archive):
    with spawned(place, "--settings", archive.settings(place)) as server:
        answer, images = send(server.address, said("cartesian_fft", scan()))
        assert images
        assert not answer.error
        assert any("PatientID" in each for each in answer.texts), answer
        assert counts(place) == {}
        _passes_the_phantom_test(server, place)


def _passes_the_phantom_test(server, place):
    """The server passes the phantom test, which is kept as a QA record."""
    command = [sys.executable, "-m", "server.cli", "selftest", "--to", f"127.0.0.1:{server.address[1]}"]
    done = subprocess.run(command, env=surroundings(place), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (place / "qa.jsonl").read_text().splitlines()
    assert json.loads(line)["passed"]


def test_the_command_shows_and_retries(place):
    box = outbox(place)
    box.add([("pacs", "1.2", "1.2.3", "1.2.840.10008.5.1.4.1.1.4", place / "x.dcm")], "session")
    box.fail([1], "refused")
    box.close()
    command = [sys.executable, "-m", "server.cli", "outbox"]
    shown = subprocess.run([*command, "--json"], env=surroundings(place), capture_output=True, text=True)
    assert shown.returncode == 1
    assert json.loads(shown.stdout)["counts"] == {"failed": 1}
    subprocess.run([*command, "retry"], env=surroundings(place), check=True, capture_output=True)
    assert counts(place) == {"built": 1}
