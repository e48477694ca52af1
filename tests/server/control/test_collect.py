import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from server.control.ask import preview, snapshot
from server.control.collect import Collector
from server.control.events import LIMIT
from server.control.folder import EVENTS, STATUS, answers
from server.control.report import Reporter
from server.errors import ControlError
from tests.server.control.wait import until


def sessions(place):
    return {each["id"]: each for each in snapshot(place)["sessions"]}


def raw_push(place):
    import zmq

    context = zmq.Context()
    pushing = context.socket(zmq.PUSH)
    pushing.linger = 500
    pushing.connect(f"ipc://{place / EVENTS}")
    return context, pushing


def test_two_sessions_and_the_server_are_seen_as_they_said(place, collector):
    collector.say("server", pid=os.getpid(), port=9002, since=1.0, draining=False, limits={"sessions": 16})
    first, second = Reporter(place, "s-1"), Reporter(place, "s-2")
    first.say("session", state="running", peer="127.0.0.1:5000", chain="cartesian_fft", started=time.time())
    second.say("session", state="waiting", peer="127.0.0.1:5001", keeper_pid=os.getpid())
    first.say("worker", worker_pid=4242)
    figures = [{"name": "Grappa", "seconds": 0.5, "items": 2, "queue": 1}]
    first.say("progress", bytes=1000, readouts=10, images=2, lag=0.1, gadgets=figures)
    first.say("warning", template="lag", values={"seconds": 2})
    first.say("preview", width=1, height=1, pixels="AA==")
    second.say("outcome", state="failed", error="no chain is called nothing")
    until(lambda: sessions(place).get("s-1", {}).get("preview") and "s-2" in sessions(place))
    found = snapshot(place)
    assert found["server"]["port"] == 9002
    assert found["http"] is None
    one, two = sessions(place)["s-1"], sessions(place)["s-2"]
    assert (one["state"], one["worker_pid"], one["bytes"], one["gadgets"]) == ("running", 4242, 1000, figures)
    assert one["texts"] == ["the chain is 2 s behind the scanner"]
    assert (two["state"], two["error"]) == ("failed", "no chain is called nothing")
    assert preview(place, "s-1") == {"width": 1, "height": 1, "pixels": "AA=="}
    assert preview(place, "s-2") is None
    first.close()
    second.close()


def test_the_last_word_of_a_session_that_ends_at_once_arrives(place, collector):
    for number in range(5):
        reporter = Reporter(place, f"s-{number}")
        reporter.say("outcome", state="complete", images=number)
        reporter.close()
    until(lambda: len(sessions(place)) == 5)
    assert all(each["state"] == "complete" for each in sessions(place).values())


def test_a_reporter_is_not_held_up_when_nobody_listens(place):
    reporter = Reporter(place, "s-1")
    for number in range(1000):
        reporter.say("progress", bytes=number)
    assert reporter.dropped > 800
    reporter.close(0.0)


def test_a_reporter_is_not_held_up_by_a_collector_that_hangs(place, collector):
    reporter = Reporter(place, "s-1")
    reporter.say("progress", bytes=1)
    until(lambda: sessions(place))
    os.kill(collector.process.pid, signal.SIGSTOP)
    try:
        pixels = "A" * 20000
        for _ in range(2000):
            reporter.say("preview", width=128, height=128, pixels=pixels)
        assert reporter.dropped > 0
    finally:
        os.kill(collector.process.pid, signal.SIGCONT)
    until(lambda: sessions(place))
    reporter.close()


def test_a_collector_that_comes_later_learns_who_is_there(place, monkeypatch):
    monkeypatch.setattr("server.control.report.AGAIN", 0.0)
    first = Collector(place)
    until(lambda: answers(place, STATUS))
    reporter = Reporter(place, "s-1")
    reporter.say("session", chain="cartesian_fft", keeper_pid=os.getpid())
    until(lambda: sessions(place))
    first.process.kill()
    first.stop()
    second = Collector(place)
    until(lambda: answers(place, STATUS))
    until(lambda: reporter.say("progress", bytes=5) or sessions(place).get("s-1", {}).get("chain"))
    reporter.close()
    second.stop()


def test_what_may_not_be_said_is_left_out_and_counted_and_never_raised(place, collector):
    reporter = Reporter(place, "s-1")
    reporter.say("progress", patient="DOE", bytes=7)
    reporter.say("nonsense")
    reporter.say("warning", template="DOE")
    reporter.say("progress", readouts=object(), images=2)
    assert reporter.refused == 5
    until(lambda: sessions(place).get("s-1", {}).get("images") == 2)
    assert sessions(place)["s-1"]["bytes"] == 7
    assert "DOE" not in str(snapshot(place))
    reporter.close()


def test_a_long_error_is_cut_and_said(place, collector):
    reporter = Reporter(place, "s-1")
    reporter.say("outcome", state="failed", error="x" * 5000)
    until(lambda: len(sessions(place).get("s-1", {}).get("error", "")) == 1000)
    reporter.close()


def test_many_threads_may_report(place, collector):
    reporter = Reporter(place, "s-1")
    threads = [
        threading.Thread(target=lambda: [reporter.say("progress", bytes=n) for n in range(200)])
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    reporter.say("progress", bytes=12345)
    until(
        lambda: reporter.say("progress", bytes=12345) or sessions(place).get("s-1", {}).get("bytes") == 12345
    )
    reporter.close()


def test_garbage_does_not_kill_the_collector(place, collector):
    import zmq

    for name in (EVENTS, STATUS):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(place / name))
            raw.sendall(b"\xff\x00garbage" * 1000)
    context, pushing = raw_push(place)
    for noise in (b"", b"\xff\xfe", b"[" * 10000, b'["a","progress",{"bytes":"x"}]', b"[[],[],[]]"):
        pushing.send(noise)
        pushing.send_multipart([noise, noise])
    pushing.send(b"x" * (LIMIT + 1))
    pushing.close()
    context.term()
    with zmq.Context() as other, other.socket(zmq.REQ) as asking:
        asking.linger = 0
        asking.connect(f"ipc://{place / STATUS}")
        asking.send(b"\xff[[[")
        assert asking.poll(2000)
    reporter = Reporter(place, "s-1")
    reporter.say("worker", worker_pid=1)
    until(lambda: "s-1" in sessions(place))
    assert list(sessions(place)) == ["s-1"]
    reporter.close()


def test_a_question_that_is_not_waited_for_does_not_stop_the_next(place, collector):
    import zmq

    with zmq.Context() as context:
        for _ in range(20):
            asking = context.socket(zmq.REQ)
            asking.connect(f"ipc://{place / STATUS}")
            asking.send(b"{}")
            asking.close(linger=0)
    assert snapshot(place)["sessions"] == []


def test_folder_and_sockets_are_for_this_user_alone(place, collector):
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    for name in (EVENTS, STATUS):
        assert stat.S_IMODE((place / name).stat().st_mode) & 0o077 == 0


def test_a_second_collector_leaves_the_first_its_folder(place, collector):
    command = [sys.executable, "-m", "server.control", str(place)]
    other = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20
    )
    assert other.returncode == 1
    assert "another server" in other.stderr
    assert snapshot(place)["sessions"] == []


def test_the_collector_ends_with_its_listener(place):
    found = Collector(place)
    until(lambda: answers(place, STATUS))
    assert found.process.stdin is not None
    found.process.stdin.close()
    assert found.process.wait(5) == 0
    found.stop()


def test_the_listener_is_not_held_up_by_its_collector(place, collector):
    os.kill(collector.process.pid, signal.SIGSTOP)
    try:
        for _ in range(5000):
            collector.say("server", pid=1, port=9002)
    finally:
        os.kill(collector.process.pid, signal.SIGCONT)
    until(lambda: snapshot(place)["server"]["port"] == 9002)


def test_where_nothing_runs_the_status_says_so(place):
    with pytest.raises(ControlError, match="does the server run"):
        snapshot(place, 0.1)
