import os
import subprocess
import sys
import time

from server.control.board import ROW, Board
from server.control.events import pack, unpack


def tell(board, session, kind, /, **fields):
    board.take(unpack(pack(session, kind, fields)))


def session(board, name):
    [found] = [each for each in board.snapshot()["sessions"] if each["id"] == name]
    return found


def test_a_session_is_what_it_said_last():
    board = Board()
    tell(board, "a", "session", state="running", keeper_pid=os.getpid(), started=time.time() - 5)
    tell(board, "a", "worker", worker_pid=77)
    tell(board, "a", "progress", bytes=10, readouts=1)
    tell(board, "a", "progress", bytes=20, readouts=2, images=1)
    found = session(board, "a")
    assert found.keys() == ROW.keys() | {"id", "warnings", "texts", "preview", "series", "view", "views"}
    assert (found["worker_pid"], found["bytes"], found["readouts"], found["images"]) == (77, 20, 2, 1)
    assert 5 <= found["seconds"] < 60


def test_the_outcome_is_the_last_word():
    board = Board()
    tell(board, "a", "session", keeper_pid=os.getpid())
    tell(board, "a", "outcome", state="complete", images=4)
    tell(board, "a", "session", state="running")
    tell(board, "a", "progress", images=3)
    assert (session(board, "a")["state"], session(board, "a")["images"]) == ("complete", 4)


def test_a_keeper_that_died_silently_makes_its_session_lost():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    board = Board()
    tell(board, "a", "session", state="running", keeper_pid=process.pid)
    assert session(board, "a")["state"] == "lost"


def test_warnings_are_counted_and_the_last_are_shown():
    board = Board()
    for count in range(20):
        tell(board, "a", "warning", template="dropped", values={"count": count})
    found = session(board, "a")
    assert found["warnings"] == 20
    assert len(found["texts"]) == 8
    assert found["texts"][-1].startswith("19 items")


PICTURE = {"width": 1, "height": 1, "pixels": "AA=="}


def test_a_picture_of_every_series_is_kept_until_newer_sessions_have_come():
    board = Board()
    for series in (1, 2, 1):
        tell(board, "a", "preview", series=series, **PICTURE)
    assert session(board, "a")["series"] == [1, 2]
    assert session(board, "a")["preview"] == 3
    assert board.preview("a") == PICTURE | {"series": 1}
    assert board.preview("a", 2) == PICTURE | {"series": 2}
    assert board.preview("a", 3) is None
    tell(board, "a", "outcome", state="complete")
    tell(board, "running", "preview", **PICTURE)
    assert board.preview("a")
    for number in range(8):
        tell(board, f"s-{number}", "outcome", state="complete")
    assert board.preview("a") is None
    assert board.preview("running")
    assert board.preview("unknown") is None


def test_the_last_picture_of_what_comes_in_is_kept():
    board = Board()
    for name, low in (("kspace", 0), ("kspace", 1), ("noise", 0)):
        tell(board, "a", "view", name=name, low=low, **PICTURE)
    assert (session(board, "a")["view"], session(board, "a")["views"]) == (3, ["kspace", "noise"])
    assert board.view("a", "kspace") == PICTURE | {"name": "kspace", "low": 1}
    assert board.view("a", "trace") is None
    assert board.view("b", "kspace") is None
    tell(board, "a", "outcome", state="complete")
    for number in range(8):
        tell(board, f"s-{number}", "outcome", state="complete")
    assert board.view("a", "kspace") is None


def test_the_series_of_one_session_are_bounded():
    board = Board()
    for series in range(100):
        tell(board, "a", "preview", series=series, **PICTURE)
    assert session(board, "a")["series"] == list(range(88, 100))


def test_a_thousand_sessions_take_no_more_memory_than_the_last_of_them():
    board = Board(sessions=100)
    tell(board, "running", "session", state="running", keeper_pid=os.getpid())
    for number in range(1000):
        tell(board, f"s-{number}", "preview", width=128, height=128, pixels="A" * 20000)
        tell(board, f"s-{number}", "outcome", state="complete")
    names = [each["id"] for each in board.snapshot()["sessions"]]
    assert len(names) == 100
    assert names[0] == "running"
    assert names[-1] == "s-999"


def test_even_sessions_that_never_end_are_bounded():
    board = Board(sessions=10)
    for number in range(1000):
        tell(board, f"s-{number}", "progress", bytes=number)
    assert [each["bytes"] for each in board.snapshot()["sessions"]] == list(range(990, 1000))


def test_the_server_tells_its_own_facts():
    board = Board()
    assert board.snapshot()["http"] is None
    tell(board, "server", "server", pid=1, port=9002, since=2.0, limits={"sessions": 16})
    tell(board, "server", "server", draining=True, http="127.0.0.1:9003")
    found = board.snapshot()
    assert 0 <= found["server"].pop("heard") < 60
    assert found["server"] == {
        "pid": 1,
        "port": 9002,
        "since": 2.0,
        "draining": True,
        "ready": False,
        "fault": "",
        "limits": {"sessions": 16},
    }
    assert found["http"] == "127.0.0.1:9003"
    assert found["sessions"] == []


def test_totals_grow_by_what_each_session_says_and_outlive_it():
    board = Board(sessions=3)
    for number in range(300):
        name = f"s-{number}"
        tell(board, name, "session", state="running", chain="cartesian_fft", keeper_pid=os.getpid())
        for done in (10, 30):
            gadget = {"name": "Fourier", "seconds": done / 10, "items": done, "queue": 1}
            tell(board, name, "progress", bytes=done, readouts=done, images=1, gadgets=[gadget])
        error = {"error": "x", "kind": "data"} if number % 3 == 0 else {}
        tell(board, name, "outcome", state="failed" if error else "complete", bytes=40, images=2, **error)
        tell(board, name, "outcome", state="complete", bytes=400)
    found = board.snapshot()
    totals = found["totals"]
    assert len(found["sessions"]) == 3
    assert (totals["bytes"], totals["readouts"], totals["images"]) == (12_000, 9_000, 600)
    assert totals["sessions"] == [["cartesian_fft", "complete", 200], ["cartesian_fft", "failed", 100]]
    assert totals["errors"] == {"data": 100}
    assert totals["gadget_items"] == {"Fourier": 9_000}
    assert abs(totals["gadget_seconds"]["Fourier"] - 900) < 1e-6


def test_totals_have_few_names_whatever_comes():
    board = Board()
    for number in range(500):
        gadget = {"name": f"G{number}", "seconds": 1.0, "items": 1, "queue": 0}
        tell(board, f"s-{number}", "session", chain=f"c{number}")
        tell(board, f"s-{number}", "progress", gadgets=[gadget])
        tell(board, f"s-{number}", "outcome", state="complete")
    totals = board.snapshot()["totals"]
    assert len(totals["gadget_seconds"]) == len(totals["seconds"]) == 65
    assert sum(totals["gadget_items"].values()) == 500
    assert sum(count for _, _, count in totals["sessions"]) == 500


def test_a_session_whose_keeper_is_gone_is_counted_as_lost_once():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    board = Board()
    tell(board, "a", "session", state="running", keeper_pid=gone.pid)
    assert [board.snapshot()["totals"]["errors"] for _ in range(2)] == [{"death": 1}] * 2
