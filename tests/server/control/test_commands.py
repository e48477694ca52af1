import select
import socket

import pytest

from server.control.commands import LIMIT, Commands, send, sweep
from server.control.folder import COMMAND
from server.errors import ControlError


def test_a_cancel_reaches_the_session_that_polls(place):
    with Commands(place, "s-1") as first, Commands(place, "s-2") as second:
        assert first.take() == []
        send(place, "s-1", "cancel")
        ready, _, _ = select.select([first, second], [], [], 5)
        assert ready == [first]
        assert first.take() == [{"do": "cancel"}]
        assert first.take() == []


def test_a_drain_reaches_the_server(place):
    with Commands(place, "server") as listener:
        send(place, "server", "drain")
        assert listener.take() == [{"do": "drain"}]


def test_who_is_not_there_cannot_be_told(place):
    with pytest.raises(ControlError, match="no session s-1"):
        send(place, "s-1", "cancel")
    Commands(place, "s-1")._socket.close()
    with pytest.raises(ControlError, match="no session s-1"):
        send(place, "s-1", "cancel")


def test_garbage_is_no_command(place):
    with Commands(place, "s-1") as commands, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as noise:
        path = str(place / f"s-1{COMMAND}")
        for data in (b"", b"\xff", b"[]", b'{"do": "format"}', b"[" * 4000, b" " * (LIMIT + 100)):
            noise.sendto(data, path)
        send(place, "s-1", "cancel")
        assert commands.take() == [{"do": "cancel"}]


def test_a_session_that_takes_nothing_holds_nobody_up(place):
    with Commands(place, "s-1"), pytest.raises(ControlError, match="queue is full"):
        for _ in range(5000):
            send(place, "s-1", "cancel")


@pytest.mark.parametrize("name", ["../a", "", "a/b", "a b"])
def test_a_name_is_never_a_path(place, name):
    with pytest.raises(ControlError, match="id"):
        send(place, name, "cancel")


def test_what_is_left_of_a_killed_session_is_swept_and_the_living_stay(place):
    Commands(place, "dead")._socket.close()
    with Commands(place, "alive"):
        sweep(place)
        assert [path.name for path in place.glob("*")] == [f"alive{COMMAND}"]
    assert list(place.glob("*")) == []


def test_a_new_session_may_take_the_place_of_a_killed_one(place):
    Commands(place, "s-1")._socket.close()
    with Commands(place, "s-1") as commands:
        send(place, "s-1", "cancel")
        assert commands.take() == [{"do": "cancel"}]
