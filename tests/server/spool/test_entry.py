import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.pseudonym import pseudonym
from server.spool import entry as entries
from server.spool.entry import Entry
from server.spool.folder import Spool
from server.spool.index import records
from server.spool.patient import patient
from server.spool.room import SpoolError
from tests.server.spool.conftest import KEY
from tests.server.spool.scans import NAMES, keep, scan, xml

DATA = scan()


def outcome(entry):
    return json.loads((entry.path.parent / "outcome.json").read_text())


@given(st.lists(st.integers(0, len(DATA)), max_size=20))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_file_is_what_was_written_however_it_was_cut_and_at_every_moment(spool, cuts):
    entry = spool.open("peer")
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(DATA)]):
        entry.write(memoryview(DATA)[start:stop])
        assert entry.length == entry.path.stat().st_size == stop
        assert os.pread(entry.fileno(), len(DATA), 0) == DATA[:stop]
    entry.close({"state": "complete"})
    assert entry.path.read_bytes() == DATA


def test_room_is_claimed_ahead_and_given_back(spool, monkeypatch):
    monkeypatch.setattr(entries, "STEP", 1 << 20)
    entry = spool.open("peer")
    entry.write(memoryview(bytes(1000)))
    assert entry.path.stat().st_blocks * 512 >= 1 << 20
    assert entry.path.stat().st_size == 1000
    entry.write(memoryview(bytes(3 << 20)))
    assert entry.path.stat().st_size == 1000 + (3 << 20)
    entry.close({"state": "complete"})
    assert entry.path.stat().st_blocks * 512 < 1000 + (3 << 20) + 8192


def test_only_we_may_read(spool, folder):
    entry = keep(spool, DATA, {"state": "complete"})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry.path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in entry.path.parent.iterdir()} == {0o600}


def test_a_folder_that_others_may_enter_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    with pytest.raises(SpoolError, match="mode 0755, expected 0700"):
        Spool(tmp_path, key=KEY)


def test_the_outcome_is_final_when_it_stands_in_the_index(spool, folder):
    entry = keep(spool, DATA)
    assert records(folder)[0].state == "receiving"
    entry.close({"state": "complete", "images": 3})
    entry.close({"state": "failed"})
    (record,) = records(folder)
    assert record.state == "complete"
    assert record.succeeded
    assert record.outcome["images"] == 3
    assert record.outcome["bytes"] == record.size == len(DATA)
    assert record.outcome["peer"] == "10.0.0.7"
    assert record.outcome["spool"] == "buffered"


def test_nothing_of_the_header_stands_in_names_or_outcome(spool, folder):
    entry = keep(spool, DATA, {"state": "complete"})
    assert outcome(entry)["patient"] == pseudonym(NAMES["patientID"], KEY)
    shown = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    shown += [path.read_text() for path in entry.path.parent.glob("*.json")]
    assert not [value for value in NAMES.values() for text in shown if value in text]


@pytest.mark.parametrize(
    "header", ["", "Dummy XML header", "<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a/>", xml(" ")]
)
def test_a_header_without_an_identifier_gives_an_empty_pseudonym(spool, header):
    assert outcome(keep(spool, scan(header), {"state": "complete"}))["patient"] == ""


def test_a_stream_that_cannot_be_followed_still_gets_its_outcome_and_pseudonym(spool):
    entry = keep(spool, DATA[:-2] + b"\xe7\x03garbage", {"state": "failed"})
    assert outcome(entry)["patient"] == pseudonym(NAMES["patientID"], KEY)
    assert patient(keep(spool, b"\xe7\x03" + DATA).path, KEY) == ""


def test_mode_none_keeps_nothing(folder):
    entry = Spool(folder, "none").open("peer")
    entry.write(memoryview(DATA))
    entry.sync()
    entry.close({"state": "complete"})
    assert (entry.path, entry.length, entry.lost, entry.fileno()) == (None, 0, False, -1)
    assert not folder.exists()


def test_mode_fsync_brings_bytes_to_the_disk_at_each_sync_and_buffered_does_not(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    for mode, count in (("buffered", 0), ("fsync", 1)):
        entry = keep(Spool(folder, mode, room=0, key=KEY), DATA)
        entry.sync()
        assert len(synced) == count
        entry.close({"state": "complete"})


def test_a_disk_that_fails_is_told_once_and_the_entry_says_where(spool, monkeypatch):
    entry = keep(spool, DATA)
    os.close(entry.fileno())
    with pytest.raises(SpoolError, match=rf"failed at byte {len(DATA)}: Bad file descriptor"):
        entry.write(memoryview(DATA))
    entry.write(memoryview(DATA))
    assert entry.lost
    assert entry.length == len(DATA)


def test_a_probe_leaves_no_entry(spool, folder):
    entry = keep(spool, DATA[:10])
    (entry.path.parent / "replies").touch()
    entry.discard()
    entry.close({"state": "complete"})
    assert list(folder.iterdir()) == []


def test_a_session_that_forgets_its_outcome_counts_as_failed(spool, folder):
    with spool.open("peer") as entry:
        entry.write(memoryview(DATA))
    assert records(folder)[0].state == "failed"


def test_entries_of_many_writers_have_names_of_their_own_in_the_order_of_time(spool):
    made = [spool.open("peer") for _ in range(50)]
    assert all(isinstance(each, Entry) for each in made)
    names = [each.name for each in made]
    assert len(set(names)) == 50
    assert [name[:22] for name in names] == sorted(name[:22] for name in names)
    for each in made:
        each.close({"state": "complete"})


def test_the_spool_needs_nothing_heavy():
    code = (
        "import sys, server.spool.folder, server.spool.recovery, server.spool.retention;"
        "print({'torch', 'pydantic', 'h5py', 'yaml', 'ismrmrd'} & set(sys.modules))"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    assert told.stdout.strip() == "set()"
