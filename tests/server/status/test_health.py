from server.control.board import Board
from server.control.events import pack, unpack
from server.status.health import SILENT, dead, unready


def snapshot(heard=1.0, **fields):
    board = Board()
    board.take(unpack(pack("server", "server", {"pid": 1, "ready": True, **fields})))
    found = board.snapshot()
    found["server"]["heard"] = heard
    return found


def test_a_server_that_works_lives_and_is_ready():
    assert (dead(snapshot()), unready(snapshot())) == ([], [])


def test_a_drain_broken_plug_ins_and_a_full_spool_are_no_reasons_to_die():
    for found in (snapshot(draining=True), snapshot(ready=False, fault="no gadgets"), snapshot(ready=False)):
        assert dead(found) == []
        assert len(unready(found)) == 1
    assert unready(snapshot(), "no room") == ["no room"]


def test_a_silent_listener_is_dead_and_not_ready():
    assert "31 s" in dead(snapshot(heard=SILENT + 1))[0]
    assert unready(snapshot(heard=SILENT + 1)) == dead(snapshot(heard=SILENT + 1))


def test_without_a_collector_the_server_is_not_ready_and_not_dead():
    assert dead(None) == []
    assert unready(None) == ["the collector does not answer"]


def test_before_the_first_word_the_server_is_not_ready():
    assert unready(Board().snapshot())
    assert dead(Board().snapshot()) == []
