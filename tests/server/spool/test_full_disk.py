import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.spool.folder import Spool
from server.spool.index import records
from server.spool.recovery import recover
from server.spool.room import SpoolFull, free
from tests.server.spool.conftest import KEY
from tests.server.spool.scans import keep, scan

PIECE = memoryview(bytes(range(256)) * 1024)


def fill(entry):
    for _ in range(40):
        entry.write(PIECE)


def test_refuse_ends_the_entry_says_where_and_the_outcome_still_fits(small_disk):
    entry = Spool(small_disk, policy="refuse", room=0, key=KEY).open("peer")
    entry.write(memoryview(scan()))
    with pytest.raises(SpoolFull, match=r"the spool is full at byte \d+; what follows is not kept"):
        fill(entry)
    entry.write(PIECE)
    assert entry.lost
    assert 3 << 20 < entry.length == entry.path.stat().st_size < 4 << 20
    kept = entry.path.read_bytes()[len(scan()) :]
    assert kept == (bytes(PIECE) * 40)[: len(kept)]
    entry.close({"state": "failed", "error": "x" * 4000})
    (record,) = records(small_disk)
    assert record.state == "failed"
    assert record.outcome["spool"] == f"full at byte {entry.length}"


def test_refuse_begins_no_scan_below_the_watermark(small_disk):
    spool = Spool(small_disk, policy="refuse", room=3 << 20, key=KEY)
    entry = spool.open("peer")
    for _ in range(8):
        entry.write(PIECE)
    with pytest.raises(SpoolFull, match="1 MiB free, expected at least 3 MiB"):
        spool.open("peer")
    entry.close({"state": "complete"})
    assert entry.path.stat().st_size == 8 * len(PIECE)


def test_continue_goes_on_without_and_says_so(small_disk):
    spool = Spool(small_disk, policy="continue", room=0, key=KEY)
    entry = spool.open("peer")
    fill(entry)
    assert entry.lost
    assert entry.fault == f"full at byte {entry.length}"
    later = spool.open("peer")
    later.write(PIECE)
    assert later.lost
    assert "disk" in later.fault
    later.close({"state": "complete"})
    entry.close({"state": "complete"})
    (record,) = records(small_disk)
    assert record.outcome["spool"].startswith("full at byte")


def test_a_scan_that_was_not_kept_whole_did_not_succeed(small_disk):
    entry = Spool(small_disk, policy="continue", room=0, key=KEY).open("peer")
    fill(entry)
    entry.close({"state": "complete"})
    assert not records(small_disk)[0].succeeded


def test_two_writers_share_the_last_bytes_without_harm(small_disk):
    spool = Spool(small_disk, policy="continue", room=0, key=KEY)
    first, second = spool.open("a"), spool.open("b")
    for _ in range(30):
        first.write(PIECE)
        second.write(PIECE)
    for each in (first, second):
        assert each.lost
        assert each.path.read_bytes() == (bytes(PIECE) * 30)[: each.length]
        each.close({"state": "complete"})
    assert [each.size for each in records(small_disk)] == [first.length, second.length]


def test_room_that_a_dead_writer_had_claimed_is_given_back(small_disk):
    script = (
        "import os, sys; from pathlib import Path; from server.spool import entry;"
        "from server.spool.folder import Spool; entry.STEP = 2 << 20;"
        "e = Spool(Path(sys.argv[1]), room=0, key=bytes(32)).open('peer');"
        "e.write(memoryview(bytes(1000))); os.kill(os.getpid(), 9)"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", script, str(small_disk)], check=False, env=path)
    before = free(small_disk)
    (found,) = recover(small_disk, KEY)
    assert found.extent.size == 1000
    assert free(small_disk) - before > 1 << 20


def test_an_entry_whose_outcome_cannot_be_written_waits_for_recovery(spool, folder, monkeypatch):
    entry = keep(spool, scan())
    outcome = entry.path.parent / "outcome.part"
    outcome.unlink()
    outcome.mkdir()
    with pytest.raises(Exception, match="the outcome of spool entry .* is not kept"):
        entry.close({"state": "complete"})
    assert records(folder)[0].state == "interrupted"
    outcome.rmdir()
    recover(folder, KEY)
    stands = json.loads((entry.path.parent / "outcome.json").read_text())
    assert (stands["state"], stands["closed"]) == ("interrupted", True)
