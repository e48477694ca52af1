"""Sessions of many kinds one behind the other: nothing grows, and nothing is left."""

import os
import random
import socket
import time
from pathlib import Path

import pytest

from server.wire import encode
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import show, spawned, until

SCAN = scan(repetitions=3)
CHAIN = "chain:\n- Misbehave: {{how: {}}}\n- Accumulate\n- Fourier\n- Combine\n"
GOOD = said("cartesian_fft", SCAN)
PLANS = {
    "fft": (GOOD, ""),
    "text": (said(CHAIN.format("pass"), SCAN), ""),
    "grappa": (said("cartesian_grappa", scan(acceleration=2)), ""),
    "noise": (said("default_measurement_dependencies", (SCAN[0], SCAN[1][:1])), ""),
    "cut": (GOOD[:200_001], "without CLOSE"),
    "unknown chain": (said("none", SCAN), "no chain is called"),
    "unknown message": (GOOD[:33_000] + b"\x63\x03" * 9, "ERROR"),
    "raise": (said(CHAIN.format("raise"), SCAN), "internal error"),
    "kill": (said(CHAIN.format("kill"), SCAN), "SIGKILL"),
    "segfault": (said(CHAIN.format("segfault"), SCAN), "SIGSEGV"),
    "memory": (said(CHAIN.format("memory"), SCAN), "memory"),
    "loop": (said(CHAIN.format("loop"), SCAN), "not ready"),
    "probe": (encode.config_file("isalive.xml") + encode.close(), ""),
    "reset": (GOOD[:100_000], None),
}
RARE = ("loop", "memory", "grappa")
"""They take seconds: one in twenty."""


def one(server, name):
    data, expected = PLANS[name]
    if expected is None:
        with socket.create_connection(server.address) as connection:
            connection.sendall(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return
    error = send(server.address, data)[0].error
    assert expected in error if expected else not error, (name, error)


def proportional(pid):
    """PSS of a process [kB]."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def census(server):
    """What there is when no session runs."""
    pids = {
        "listener": server.process.pid,
        "template": server.one("server.template"),
        "collector": server.one("server.control"),
        "page": server.one("server.status"),
    }
    assert until(lambda: set(server.tree()) == set(pids.values()), 20), server.tree()
    facts = {"shm": len(os.listdir("/dev/shm"))}  # noqa: PTH208
    for name, pid in pids.items():
        facts[f"{name} files"] = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
        facts[f"{name} threads"] = len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
        facts[f"{name} PSS"] = proportional(pid)
    return pids, facts


def soak(folder, count, warm=12):
    """The census before and after ``count`` sessions of chance."""
    chance = random.Random(0)
    with spawned(folder, memory=3 << 28, finish=2) as server:
        assert server.ready()
        common = [name for name in PLANS if name not in RARE]
        for name in common[:warm]:
            one(server, name)
        time.sleep(1)
        pids, before = census(server)
        begin = time.monotonic()
        for number in range(count):
            one(server, chance.choice(RARE) if number % 20 == 19 else chance.choice(common))
        seconds = time.monotonic() - begin
        time.sleep(1)
        later, after = census(server)
        assert later == pids, "a process of the server was replaced"
        open_ = [each for each in server.records if not each.outcome]
        assert not open_
        assert (
            "Traceback" not in server.log.replace("ZeroDivisionError", "") or "one over nothing" in server.log
        )
    return before, after, seconds


HISTORY = 1 << 11
"""What the collector may gain [kB]: by design it remembers the last 200 sessions, and began with a few."""


def unchanged(before, after):
    for name, value in before.items():
        if name.endswith("PSS"):
            allowed = value + HISTORY if name.startswith("collector") else 1.05 * value
            assert after[name] < allowed, (name, value, after[name])
        else:
            assert after[name] == value, (name, value, after[name])


@pytest.mark.slow
def test_thirty_sessions_of_mixed_chains_and_faults_leave_nothing(tmp_path):
    before, after, _ = soak(tmp_path / "state", 30)
    unchanged(before, after)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_three_hundred_sessions_of_mixed_chains_and_faults_leave_nothing(tmp_path, request):
    before, after, seconds = soak(tmp_path / "state", 300)
    lines = [
        f"{name:18s} {value:8d} -> {after[name]:8d}  {after[name] / max(1, value) - 1:+.1%}"
        for name, value in before.items()
    ]
    show(request.config, [f"300 sessions in {seconds:.0f} s", *lines])
    unchanged(before, after)
