"""The server itself: told to stop, a gadget killed, its disk full."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest

from server.client import converse
from tests.endtoend.scans import said, scan
from tests.endtoend.spawn import spawned, start, until
from tests.endtoend.traps.talk import (
    FFT,
    SCAN,
    good,
    newest,
    send,
)


def test_trap_14_sigterm_while_streaming_finishes_the_scan_and_takes_no_new_one(tmp_path, table):
    data, late = said(FFT, SCAN), []
    server = start(tmp_path / "state")
    try:
        assert server.ready()

        def parts():
            yield data[:200_000]
            assert until(lambda: sum(each.size >= 200_000 for each in server.records) == 1)
            server.process.send_signal(signal.SIGTERM)
            assert until(lambda: server.status()["server"]["draining"])
            late.append(send(server, data))
            yield data[200_000:]

        images = []
        answer = converse(server.address, parts(), images.append, patience=60)
        assert (answer.error, len(images), server.process.wait(20)) == ("", 2, 0)
    finally:
        server.process.kill()
        server.process.stdout.close()
    [late] = late
    assert "takes no new scan" in late.error
    assert late.answer.closed
    table.append((14, f"the running scan got its images, a new one: {late.error}; exit 0", late.told))


def test_trap_16_kill_of_a_gadget_process_is_told_in_seconds_and_the_next_scan_works(server, table):
    data = said(FFT, SCAN)
    seen = {}

    def parts():
        yield data[:200_000]
        found = until(
            lambda: [p for p in server.status()["sessions"] if p["worker_pid"] and p["state"] == "running"]
        )
        seen["worker"] = found[-1]["worker_pid"]
        os.kill(seen["worker"], signal.SIGKILL)
        seen["at"] = time.monotonic()
        until(lambda: "told" in seen, 5)
        yield data[200_000:]

    answer = converse(
        server.address, parts(), told=lambda text: seen.setdefault("told", time.monotonic()), patience=30
    )
    assert "SIGKILL" in answer.error
    assert answer.sent is not None
    seconds = seen["told"] - seen["at"]
    assert seconds < 2
    assert until(lambda: newest(server).state == "failed")
    assert server.stream(newest(server)) == data
    good(server)
    table.append((16, f"{answer.error}; scan spooled whole, next one good", seconds))


@pytest.fixture
def disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", where]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


@pytest.mark.parametrize("policy", ["refuse", "continue"])
def test_trap_17_a_full_disk_is_said_aloud_and_loses_no_image(tmp_path, disk, table, policy):
    """The scan is larger than the spool's disk; then one that finds it full."""
    xml, items = scan(repetitions=2)
    big = said(
        FFT,
        (
            xml,
            (
                replace(items[0], head=np.repeat(items[0].head, 20), data=np.repeat(items[0].data, 20, 0)),
                *items[1:],
            ),
        ),
    )
    assert len(big) > 1 << 20
    with spawned(tmp_path / "state", spool=disk, spool_full=policy, spool_room=1 << 18) as server:
        first = send(server, big)
        assert not first.error, first.error
        assert len(first.images) == 2
        assert any("not kept" in each and "full" in each for each in first.answer.texts)
        second = send(server, said(FFT, SCAN))
        assert bool(second.error) == (policy == "refuse")
        assert len(second.images) == (0 if policy == "refuse" else 2)
    what = second.error or next(each for each in second.answer.texts if "kept" in each or "disk" in each)
    table.append(
        (17, f"{policy}: images of the scan that filled it made, warning; next: {what}", second.told)
    )
