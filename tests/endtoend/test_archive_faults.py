"""Demand 2 of issue 8: what the outbox's process does with a real archive at fault; a table at the end."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from server.dicom.outbox import Outbox
from tests.endtoend import orthanc as archives
from tests.endtoend.spawn import show, until
from tests.server.dicom.archive import Scripted
from tests.server.dicom.test_outbox import filled

pytestmark = [
    pytest.mark.skipif(archives.ORTHANC is None, reason="Orthanc (Debian's orthanc) is not installed"),
    pytest.mark.timeout(300),
    pytest.mark.slow,
]

COUNT = 60
ROWS = []


class Office:
    """The process that empties the outbox of a folder, for one archive."""

    def __init__(self, folder, **archive):
        self.folder = folder
        self.said = json.dumps([{"name": "pacs", "host": "127.0.0.1", "attempts": 8, **archive}])
        self.process = None

    def begin(self):
        command = [sys.executable, "-m", "server.dicom", str(self.folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdin.write(self.said + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


@contextmanager
def office(folder, **archive):
    made = Office(folder, **archive)
    made.begin()
    try:
        yield made
    finally:
        with suppress(OSError):
            made.kill()


@pytest.fixture
def box(tmp_path):
    made = Outbox(tmp_path / "outbox")
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def table(request):
    yield
    lines = [f"{'fault':44s} {'end state':28s} in the archive  doubled  attempts at most  seconds"]
    lines += [
        f"{fault:44s} {state!s:28s} {held:14d}  {doubled:7d}  {attempts:16d}  {took:7.1f}"
        for fault, state, held, doubled, attempts, took in ROWS
    ]
    show(request.config, lines)


def ends(fault, box, expected, archive, begun, seconds=120):
    """Wait for the outbox's end state, and note the row of the table."""
    assert until(lambda: box.counts() == expected, seconds), (box.counts(), box.entries()[0].reason)
    names = [each["SOPInstanceUID"] for each in archive.tags()]
    attempts = max(each.attempts for each in box.entries())
    ROWS.append(
        (fault, box.counts(), len(names), len(names) - len(set(names)), attempts, time.monotonic() - begun)
    )
    return names


def test_down_for_a_while(box, archive):
    rows, begun = filled(box, count=COUNT), time.monotonic()
    archive.end()
    with office(box.folder, port=archive.dicom):
        assert until(lambda: box.entries()[0].attempts >= 2, 60)
        archive.begin()
        names = ends("down for two attempts", box, {"sent": COUNT}, archive, begun)
    assert sorted(names) == sorted(row[2] for row in rows)


def test_slow(box, archive):
    rows, begun = filled(box, count=COUNT), time.monotonic()
    with office(box.folder, port=archive.dicom):
        assert until(lambda: box.counts().get("sent", 0) > 0, 60)
        os.kill(archive.process.pid, signal.SIGSTOP)
        time.sleep(8)
        os.kill(archive.process.pid, signal.SIGCONT)
        names = ends("stands still for 8 s", box, {"sent": COUNT}, archive, begun)
    assert sorted(names) == sorted(row[2] for row in rows)


def test_refuses_the_title(box, archive):
    filled(box, count=COUNT)
    begun = time.monotonic()
    with office(box.folder, port=archive.dicom, title="NOBODY"):
        ends("refuses the application entity title", box, {"failed": COUNT}, archive, begun)
    assert {each.attempts for each in box.entries()} == {1}


def test_refuses_one_object(box, archive):
    begun = time.monotonic()
    rows = filled(box, count=COUNT)
    rows[3][4].write_bytes(
        rows[3][4].read_bytes().replace(b"1.2.840.10008.5.1.4.1.1.4\0", b"1.2.840.10008.9.9.9.9.9.9\0")
    )
    with office(box.folder, port=archive.dicom):
        ends(
            "refuses an object of a kind it does not know",
            box,
            {"failed": 1, "sent": COUNT - 1},
            archive,
            begun,
        )


def test_refuses_one_object_by_its_status(box, archive):
    begun = time.monotonic()
    filled(box, count=COUNT)
    with Scripted([0] * 5 + [0xC000] + [0]).serving() as scripted, office(box.folder, port=scripted.port):
        assert until(lambda: box.counts() == {"failed": 1, "sent": COUNT - 1}, 60)
        held, attempts = scripted.taken, max(each.attempts for each in box.entries())
        took = time.monotonic() - begun
        ROWS.append(
            (
                "refuses an object (status C000, scripted)",
                box.counts(),
                len(held),
                len(held) - len(set(held)),
                attempts,
                took,
            )
        )


def test_killed_half_way(box, archive):
    rows, begun = filled(box, count=COUNT), time.monotonic()
    with office(box.folder, port=archive.dicom):
        assert until(lambda: box.counts().get("sent", 0) > 5, 60)
        archive.process.kill()
        archive.process.wait()
        time.sleep(1)
        archive.begin()
        names = ends("the archive is killed half-way", box, {"sent": COUNT}, archive, begun)
    assert sorted(names) == sorted(row[2] for row in rows)


def test_our_process_is_killed_half_way_five_times(box, archive):
    rows, begun = filled(box, count=COUNT), time.monotonic()
    with office(box.folder, port=archive.dicom) as ours:
        for number in range(5):
            assert until(lambda n=number: box.counts().get("sent", 0) > 8 * n, 60)
            ours.kill()
            ours.begin()
        names = ends("our process is killed (-9) five times", box, {"sent": COUNT}, archive, begun)
    assert sorted(names) == sorted(row[2] for row in rows)


def test_commitment_with_one_missing(box, archive):
    rows, begun = filled(box, count=COUNT), time.monotonic()
    wanted = {"port": archive.dicom, "commitment": True, "commitment_port": archive.answers}
    with office(box.folder, port=archive.dicom):
        assert until(lambda: box.counts() == {"sent": COUNT}, 60)
    archive.lose(7)
    with office(box.folder, **wanted):
        names = ends("it lost one before it confirmed", box, {"committed": COUNT}, archive, begun)
    assert sorted(names) == sorted(row[2] for row in rows)
    assert sorted({each.attempts for each in box.entries()}) == [1, 2]
