"""Nothing lost, nothing doubled, nothing tried in vain, whatever the archive does."""

import itertools
import ssl
import time
from pathlib import Path

import pytest

from server.dicom.archiving import Archiving, Copies, Wanted
from server.dicom.destination import Archive
from server.dicom.image import objects
from server.dicom.office import file
from server.dicom.outbox import Outbox
from server.dicom.sink import Sink
from server.dicom.store import deliver, echo
from server.dicom.verdict import verdict
from server.errors import DicomError
from tests.server.certificates import authority
from tests.server.dicom.archive import Scripted
from tests.server.dicom.test_objects import image, noise, source


@pytest.fixture
def outbox(tmp_path):
    made = Outbox(tmp_path / "outbox")
    yield made
    made.close()


def filled(outbox, count=3, archive="pacs"):
    """``count`` objects of one series, as a scan leaves them."""
    rows = []
    for number in range(count):
        (made,) = objects(image(noise(1, 1, 8, 8), image_index=number + 1), source())
        place = outbox.folder / f"{number}.dcm"
        made.save_as(place, enforce_file_format=True)
        rows.append((archive, made.SeriesInstanceUID, made.SOPInstanceUID, made.SOPClassUID, place))
    outbox.add(rows, "session")
    return rows


def pacs(port, **changes):
    return Archive(**{"name": "pacs", "host": "127.0.0.1", "port": port, "attempts": 3, **changes})


def states(outbox):
    return [each.state for each in outbox.entries()]


def test_a_series_goes_in_one_association_and_is_never_sent_twice(outbox):
    rows = filled(outbox)
    with Scripted().serving() as archive:
        deliver(outbox, pacs(archive.port))
        deliver(outbox, pacs(archive.port))
        assert outbox.add(rows, "again") == 0
        deliver(outbox, pacs(archive.port))
    assert archive.taken == [row[2] for row in rows]
    assert archive.associations == 1
    assert states(outbox) == ["sent"] * 3


def test_an_archive_that_is_down_gets_everything_when_it_is_back(outbox):
    rows = filled(outbox)
    with Scripted().serving() as archive:
        port = archive.port
    deliver(outbox, pacs(port))
    assert states(outbox) == ["built"] * 3
    assert all("cannot be reached" in each.reason for each in outbox.entries())
    assert outbox.due("pacs") == {}, "it waits before the next attempt"
    with Scripted().serving(port) as archive:
        outbox.retry()
        deliver(outbox, pacs(port))
    assert archive.taken == [row[2] for row in rows]


def test_the_wait_doubles_with_each_attempt_until_they_are_used_up(outbox):
    filled(outbox, count=1)
    waits = []
    for _ in range(3):
        (entry,) = outbox.entries()
        outbox.later([entry.number], "down", most=3)
        (entry,) = outbox.entries()
        waits.append(entry.due - entry.changed)
    assert [round(wait) for wait in waits] == [2, 4, 8]
    assert states(outbox) == ["expired"]


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0x0122, 0x0124])
def test_what_is_refused_for_good_is_tried_once(outbox, status):
    """Trap 15 of the reference: bounded retries, visible state."""
    filled(outbox, count=2)
    with Scripted([status, 0x0000]).serving() as archive:
        for _ in range(3):
            deliver(outbox, pacs(archive.port))
    assert states(outbox) == ["failed", "sent"]
    assert f"{status:04X}" in outbox.entries("failed")[0].reason
    assert outbox.due("pacs", time.time() + 1e6) == {}


def test_what_is_not_taken_now_is_tried_again(outbox):
    filled(outbox, count=1)
    with Scripted([0xA700, 0x0000]).serving() as archive:
        deliver(outbox, pacs(archive.port))
        assert states(outbox) == ["built"]
        outbox.retry("pacs")
        deliver(outbox, pacs(archive.port))
    assert states(outbox) == ["sent"]


def test_an_archive_that_dies_half_way_gets_the_rest_later(outbox):
    rows = filled(outbox, count=4)
    with Scripted([0x0000, 0x0000, "abort", 0x0000]).serving() as archive:
        deliver(outbox, pacs(archive.port))
        assert states(outbox) == ["sent", "sent", "built", "built"]
        outbox.retry()
        deliver(outbox, pacs(archive.port))
    assert sorted(archive.taken) == sorted(row[2] for row in rows)
    assert states(outbox) == ["sent"] * 4


def test_a_title_that_is_refused_says_so(outbox):
    filled(outbox, count=1)
    with Scripted(title="OTHER").serving() as archive:
        deliver(outbox, pacs(archive.port))
    assert states(outbox) == ["failed"]
    assert "rejected" in outbox.entries()[0].reason


def test_a_file_that_is_gone_fails_and_the_others_go(outbox):
    rows = filled(outbox, count=2)
    Path(rows[0][4]).unlink()
    with Scripted().serving() as archive:
        deliver(outbox, pacs(archive.port))
    assert states(outbox) == ["failed", "sent"]


def test_every_status_has_a_verdict():
    for status, state in {
        0: "sent",
        0xB000: "sent",
        0xB007: "sent",
        0x0110: "later",
        0xA700: "later",
    }.items():
        assert verdict(status).state == state
    assert verdict(None).state == "later"
    assert {verdict(status).state for status in (0xA900, 0xC123, 0x0117)} == {"failed"}


def test_commitment_confirms_and_what_was_lost_is_sent_again(outbox):
    rows = filled(outbox)
    outbox.sent([each.number for each in outbox.entries()])
    outbox.committed("pacs", [rows[0][2], rows[1][2]])
    outbox.missing("pacs", [rows[2][2]], "the archive does not have it", most=3)
    assert states(outbox) == ["committed", "committed", "built"]
    assert outbox.due("pacs", time.time() + 2)


def test_an_archive_that_takes_everything_and_keeps_nothing_is_not_sent_it_for_ever(outbox):
    rows = filled(outbox, count=1)
    waits = []
    for _ in range(3):
        (entry,) = outbox.entries()
        outbox.sent([entry.number])
        outbox.missing("pacs", [rows[0][2]], "the archive does not have it", most=3)
        (entry,) = outbox.entries()
        waits.append(round(entry.due - entry.changed))
    assert waits == [2, 4, 8]
    assert states(outbox) == ["expired"]


def test_a_folder_gets_whole_objects(outbox, tmp_path):
    filled(outbox, archive="folder")
    place = Archive(name="folder", folder=tmp_path / "out")
    file(outbox, place)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 3
    assert not list((tmp_path / "out").rglob("*.part"))
    assert states(outbox) == ["sent"] * 3


def test_echo_says_what_is_wrong(outbox):
    with Scripted().serving() as archive:
        assert echo(pacs(archive.port)) == ""
    assert "cannot be reached" in echo(pacs(archive.port))


def test_a_newer_table_is_refused(tmp_path):
    made = Outbox(tmp_path)
    made._base.execute("PRAGMA user_version=99")
    made.close()
    with pytest.raises(DicomError, match="version 99"):
        Outbox(tmp_path)


def test_an_archive_is_a_folder_or_a_host():
    with pytest.raises(ValueError, match="only one of them"):
        Archive(name="both", host="127.0.0.1", folder=Path("/x"))


HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><subjectInformation>
<patientID>P1</patientID></subjectInformation><studyInformation><accessionNumber>A1</accessionNumber>
<studyInstanceUID>1.2.3</studyInstanceUID></studyInformation></ismrmrdHeader>"""


def sink(folder, xml=HEADER):
    wanted = [Wanted(name="pacs", identified=True), Wanted(name="folder", identified=False)]
    archiving = Archiving(folder=folder, wanted=wanted, session="s1")
    made = Sink(archiving, source().scan, xml, "Fourier()")
    made.told = []
    made.tell = made.told.append
    made.begin()
    return made


def test_the_objects_of_a_complete_scan_reach_the_outbox_together(tmp_path):
    one = sink(tmp_path)
    one.take(image(noise(1, 1, 8, 8)))
    one.take(image(noise(1, 1, 8, 8), image_index=2))
    assert Outbox(tmp_path).entries() == []
    assert one.finish() == 4
    entries = Outbox(tmp_path).entries()
    assert [each.archive for each in entries] == ["pacs", "folder"] * 2
    assert all(each.file.stat().st_mode & 0o777 == 0o600 for each in entries)
    again = sink(tmp_path)
    again.take(image(noise(1, 1, 8, 8)))
    assert again.finish() == 0, "the same scan twice is the same objects"


def test_nothing_of_a_failed_scan_reaches_an_archive(tmp_path):
    one = sink(tmp_path)
    one.take(image(noise(1, 1, 8, 8)))
    one.abandon()
    assert Outbox(tmp_path).entries() == []
    assert not list(tmp_path.rglob("*.dcm"))


def test_an_orphan_goes_to_folders_only_and_the_reason_names_what_lacks(tmp_path):
    one = sink(tmp_path, "<ismrmrdHeader xmlns='http://www.ismrm.org/ISMRMRD'/>")
    assert "PatientID" in one.told[0]
    assert "pacs" in one.told[0]
    one.take(image(noise(1, 1, 8, 8)))
    one.finish()
    assert [each.archive for each in Outbox(tmp_path).entries()] == ["folder"]


def test_a_full_disk_costs_the_archive_its_objects_and_the_scanner_nothing(tmp_path):
    said = []
    copies = Copies(
        Archiving(folder=tmp_path / "file", wanted=[Wanted(name="f", identified=False)], session="s"),
        lambda text, level: said.append((text, level)),
    )
    (tmp_path / "file").write_text("no folder")
    copies.begin(source().scan, HEADER, "Fourier()")
    for _ in itertools.repeat(None, 2):
        copies.take(image(noise(1, 1, 8, 8)))
    copies.end(complete=True)
    assert len(said) == 1
    assert said[0][1] == "warning"


def test_an_archive_gets_the_images_of_the_chains_that_it_names(tmp_path):
    wanted = [
        Wanted(name="all", identified=False),
        Wanted(name="heart", identified=False, chains=("perfusion", "cine_function")),
    ]
    copies = Copies(Archiving(folder=tmp_path, wanted=wanted, session="s"), lambda *_: None)
    for number, chain in enumerate(("cartesian_fft", "", "perfusion"), start=1):
        copies.begin(source().scan, HEADER, "Fourier()", chain)
        copies.take(image(noise(1, 1, 8, 8), image_index=number))
        copies.end(complete=True)
    assert [each.archive for each in Outbox(tmp_path).entries()] == ["all", "all", "all", "heart"]


def test_under_tls_objects_go_to_whom_the_authority_knows_and_to_no_other(outbox, tmp_path):
    trusted, stranger = authority(tmp_path, "site"), authority(tmp_path, "stranger")
    cert, key = trusted.issue("archive")
    ours, our_key = trusted.issue("us")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trusted.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    filled(outbox)
    with Scripted().serving(tls=context) as archive:
        wrong = pacs(archive.port, tls_ca=stranger.ca, tls_cert=ours, tls_key=our_key)
        deliver(outbox, wrong)
        assert states(outbox) == ["built"] * 3
        assert archive.taken == []
        outbox.retry()
        deliver(outbox, pacs(archive.port, tls_ca=trusted.ca, tls_cert=ours, tls_key=our_key))
    assert states(outbox) == ["sent"] * 3
