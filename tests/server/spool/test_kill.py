import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.spool.index import records
from server.spool.recovery import recover
from server.wire.follow import Follower
from tests.server.control.wait import until
from tests.server.spool.conftest import KEY
from tests.server.spool.writers import SCAN


def killed(folder, reports, count, longest, what, ready):
    """Kill each of ``count`` writers at a moment of chance, once ``ready`` bytes of reports are in.

    Without that, they would end on a loaded machine before any has begun.
    """
    command = [sys.executable, "-m", "tests.server.spool.writers", folder, reports, str(count), what]
    chance = random.Random(count)
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(count)]
        until(lambda: sum(path.stat().st_size for path in reports.iterdir()) >= ready, 60)
        for pid in chance.sample(pids, count):
            time.sleep(chance.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
    return pids


def follows(data):
    follower = Follower()
    for start in range(0, len(data), 50_000):
        follower.feed(memoryview(data)[start : start + 50_000])
    return follower.complete


def check(folder, reports, count, longest):
    killed(folder, reports, count, longest, "write", 2 * 8 * count)
    begun = [path.name for path in reports.iterdir() if path.stat().st_size]
    before = {record.name: record.size for record in records(folder)}
    found = {each.name: each for each in recover(folder, KEY)}
    assert set(found) == set(before)
    held = {record.outcome["peer"]: record for record in records(folder)}
    assert set(begun) <= set(held)
    for peer, record in held.items():
        data = record.stream.path.read_bytes()
        said = (reports / peer).read_bytes()[-8:]
        assert len(data) >= (struct.unpack("<Q", said)[0] if said else 0)
        assert data == (SCAN * (len(data) // len(SCAN) + 1))[: len(data)]
        assert len(data) == before[record.name] == record.outcome["bytes"]
        assert record.outcome["complete"] == follows(data)
        assert record.state == "interrupted"
    assert recover(folder, KEY) == []
    return len(begun)


def test_every_byte_whose_write_returned_survives_kill_9_and_recovery_finds_the_entry(tmp_path):
    (tmp_path / "reports").mkdir()
    assert check(tmp_path / "spool", tmp_path / "reports", 12, 0.03) > 6


@pytest.mark.slow
def test_every_byte_survives_kill_9_at_100_moments(tmp_path):
    (tmp_path / "reports").mkdir()
    assert check(tmp_path / "spool", tmp_path / "reports", 100, 0.03) > 80


def test_every_outcome_whose_close_returned_survives_kill_9_and_none_is_half_written(tmp_path):
    spool, reports = tmp_path / "spool", tmp_path / "reports"
    reports.mkdir()
    killed(spool, reports, 12, 0.03, "close", 800)
    assert {record.state for record in records(spool)} <= {"complete", "interrupted"}
    recover(spool, KEY)
    held = {record.name: record for record in records(spool)}
    closed = {name for report in reports.iterdir() for name in report.read_text().split()}
    assert len(closed) > 20
    assert closed <= {name for name, record in held.items() if record.succeeded}
    assert all(record.stream.path.read_bytes() == SCAN for name, record in held.items() if name in closed)
    assert all("state" in record.outcome for record in held.values())


def test_a_writer_that_lives_is_left_alone(spool, folder):
    entry = spool.open("peer")
    entry.write(memoryview(SCAN))
    assert recover(folder, KEY) == []
    assert records(folder)[0].state == "receiving"
    entry.close({"state": "complete"})
    assert recover(folder, KEY) == []
    assert records(folder)[0].state == "complete"
