"""A scan through the server ends in a real archive: Orthanc, started here on loopback."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import pytest

from server.dicom.outbox import Outbox
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import free_port, spawned, start, surroundings, until

ORTHANC = shutil.which("Orthanc")

pytestmark = [
    pytest.mark.skipif(ORTHANC is None, reason="Orthanc (Debian's orthanc) is not installed"),
    pytest.mark.timeout(240),
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


def identified(**options):
    xml, items = scan(**options)
    return re.sub("(<measurementInformation>)", SUBJECT + STUDY + r"\1", xml, count=1), items


class Archive:
    """Orthanc by its REST interface."""

    def __init__(self, folder, web, dicom):
        self.folder, self.web, self.dicom = folder, web, dicom

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=10) as answer:
            return json.loads(answer.read())

    def tags(self):
        return [self.get(f"/instances/{each}/simplified-tags") for each in self.get("/instances")]

    def lose(self, number):
        name = self.get("/instances")[number]
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/instances/{name}", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def orthanc(folder, web, dicom, answers=0):
    folder.mkdir(exist_ok=True)
    config = {
        "Name": "test",
        "HttpPort": web,
        "DicomPort": dicom,
        "DicomAet": "ARCHIVE",
        "DicomCheckCalledAet": True,
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomModalities": {"scanside": ["SCANSIDE", "127.0.0.1", answers or 1]},
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen([ORTHANC, folder / "orthanc.json"], stdout=log, stderr=log) as process,
    ):
        archive = Archive(folder, web, dicom)
        try:
            assert until(lambda: _answers(archive), 60), (folder / "log").read_text()
            yield archive
        finally:
            process.terminate()
            process.wait(30)


def _answers(archive):
    with suppress(OSError):
        return archive.get("/system")
    return None


def settings(folder, dicom, answers=0):
    lines = ["[[archives]]", 'name = "pacs"', 'host = "127.0.0.1"', f"port = {dicom}", 'title = "ARCHIVE"']
    lines += ["commitment = true", f"commitment_port = {answers}"] if answers else []
    (folder / "settings.toml").write_text("\n".join(lines))
    return folder / "settings.toml"


def outbox(folder):
    return Outbox(folder / "outbox")


def counts(folder):
    return outbox(folder).counts()


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_a_scan_ends_in_the_archive_once_committed_and_again_changes_nothing(place, tmp_path):
    web, dicom, answers = free_port(), free_port(), free_port()
    case = identified(acceleration=2, repetitions=2)
    with (
        orthanc(tmp_path / "orthanc", web, dicom, answers) as archive,
        spawned(place, "--settings", settings(place, dicom, answers)) as server,
    ):
        answer, images = send(server.address, said("cartesian_grappa", case))
        assert not answer.error
        assert until(lambda: counts(place) == {"committed": len(images)}, 90), counts(place)
        found = archive.tags()
        assert len(found) == len(images) == 3
        assert {each["PatientID"] for each in found} == {"PH1"}
        assert {each["AccessionNumber"] for each in found} == {"ACC7"}
        assert sorted(each["SeriesNumber"] for each in found) == ["1", "1", "20"]
        send(server.address, said("cartesian_grappa", case))
        time.sleep(2)
        assert counts(place) == {"committed": 3}
        assert len(archive.get("/instances")) == 3


def test_what_the_archive_lost_before_it_confirmed_is_sent_again(place, tmp_path):
    from server.dicom.commitment import ask, listen
    from server.dicom.destination import Archive as Destination
    from server.dicom.store import deliver
    from tests.server.dicom.test_outbox import filled

    web, dicom, answers = free_port(), free_port(), free_port()
    box = outbox(place)
    rows = filled(box, count=3)
    pacs = Destination(name="pacs", host="127.0.0.1", port=dicom, commitment=True, commitment_port=answers)
    with orthanc(tmp_path / "orthanc", web, dicom, answers) as archive:
        deliver(box, pacs)
        archive.lose(0)
        heard = listen(box, pacs)
        try:
            assert ask(box, pacs, box.entries("sent")) == ""
            assert until(lambda: box.counts() == {"committed": 2, "built": 1}, 30), box.counts()
            deliver(box, pacs)
            assert len(archive.get("/instances")) == len(rows)
            assert ask(box, pacs, box.entries("sent")) == ""
            assert until(lambda: box.counts() == {"committed": 3}, 30), box.counts()
        finally:
            heard.shutdown()
    box.close()


def test_an_archive_that_is_down_and_a_server_that_is_killed_lose_nothing(place, tmp_path):
    web, dicom = free_port(), free_port()
    case = identified(repetitions=3)
    server = start(place, "--settings", settings(place, dicom))
    try:
        answer, images = send(server.address, said("cartesian_fft", case))
        assert not answer.error
        assert until(lambda: sum(counts(place).values()) == len(images), 30)
    finally:
        server.kill()
        server.process.stdout.close()
    assert counts(place) == {"built": 3}
    outbox(place).retry()
    with (
        orthanc(tmp_path / "orthanc", web, dicom) as archive,
        spawned(place, "--settings", settings(place, dicom)),
    ):
        assert until(lambda: counts(place) == {"sent": 3}, 60), counts(place)
        assert len(archive.get("/instances")) == 3


def test_a_scan_without_a_patient_is_refused_aloud(place):
    with spawned(place, "--settings", settings(place, free_port())) as server:
        answer, images = send(server.address, said("cartesian_fft", scan()))
        assert images
        assert not answer.error
        assert any("PatientID" in each for each in answer.texts), answer
        assert counts(place) == {}


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
