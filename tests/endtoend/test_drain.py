"""A server that is told to stop: running scans finish, and whoever comes too late is told so."""

import os
import signal
import socket
import struct
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from server.client import converse
from server.wire.decode import decode_all
from tests.endtoend.scans import send
from tests.endtoend.slowly import BYTES, Slowly
from tests.endtoend.spawn import start, until

WORDS = "the server is being stopped and takes no new scan"


@contextmanager
def stopping(folder, **settings):
    """A server that may end by itself; nothing of it is left."""
    server = start(folder, **settings)
    try:
        yield server
        assert until(lambda: not leftovers(server)), leftovers(server)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(30)
        server.process.stdout.close()


def leftovers(server):
    """Processes of the server's session that live on without it."""
    found = []
    for pid in (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()):
        with suppress(OSError):
            if os.getpgid(pid) == server.process.pid != pid:
                found.append(pid)
    return found


def refused(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_running_scans_finish_and_a_new_one_is_told_the_reason(tmp_path, number):
    with stopping(tmp_path / "state") as server:
        running = Slowly(server.address)
        server.process.send_signal(number)
        assert until(lambda: server.status()["server"]["draining"])
        assert not server.status()["server"]["ready"]
        for _ in range(3):
            answer, images = send(server.address, BYTES)
            assert (WORDS in answer.error, answer.closed, images) == (True, True, [])
        assert server.process.poll() is None
        assert running.end().error == ""
        assert len(running.images) == 2
        assert server.process.wait(10) == 0
        assert refused(server.address)
        assert [each.state for each in server.records] == ["complete"]


@pytest.mark.slow
def test_connections_that_waited_to_be_accepted_are_told_too(tmp_path):
    """The server is held still while they connect, and finds the signal before them when it goes on."""
    with stopping(tmp_path / "state") as server:
        assert server.ready()
        os.kill(server.process.pid, signal.SIGSTOP)
        waiting = [socket.create_connection(server.address, timeout=20) for _ in range(5)]
        waiting[0].sendall(BYTES)
        server.process.send_signal(signal.SIGTERM)
        os.kill(server.process.pid, signal.SIGCONT)
        for each in waiting:
            with each:
                found = decode_all(b"".join(iter(lambda each=each: each.recv(1 << 16), b"")))
            assert [type(message).__name__ for message in found] == ["TextMessage", "Close"]
            assert WORDS in found[0].text
        assert server.process.wait(15) == 0


@pytest.mark.slow
def test_a_scan_that_outlives_the_grace_is_told_ended_and_stays_in_the_spool(tmp_path):
    with stopping(tmp_path / "state", grace=1) as server:
        running = Slowly(server.address)
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert 0.5 < time.monotonic() - began < 8
        assert "was not ready in the time it had" in running.end().error
        assert running.answer.closed
        assert until(lambda: [each.state for each in server.records] == ["interrupted"])


@pytest.mark.slow
def test_the_status_is_told_while_the_server_drains_though_its_collector_was_told_to_stop_too(tmp_path):
    """As systemd tells all processes of a service."""
    with stopping(tmp_path / "state") as server:
        running = Slowly(server.address)
        old = server.one("server.control")
        server.process.terminate()
        os.kill(old, signal.SIGTERM)
        assert until(
            lambda: any("server.control" in line and pid != old for pid, line in server.tree().items())
        )
        assert until(lambda: server.status()["server"]["draining"])
        assert running.end().error == ""
        assert server.process.wait(10) == 0


@pytest.mark.slow
def test_a_scanner_that_comes_again_and_again_does_not_keep_a_stopped_server_alive(tmp_path):
    with stopping(tmp_path / "state") as server:
        assert server.ready()
        server.process.terminate()
        end = time.monotonic() + 15
        while server.process.poll() is None and time.monotonic() < end:
            with suppress(OSError):
                connection = socket.create_connection(server.address, timeout=1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
        assert server.process.wait(1) == 0


@pytest.mark.slow
def test_a_peer_that_never_stops_sending_is_told_and_left(tmp_path):
    with stopping(tmp_path / "state") as server:
        running = Slowly(server.address)
        server.process.terminate()
        assert until(lambda: server.status()["server"]["draining"])

        def endless():
            yield BYTES[:-2]
            end = time.monotonic() + 20
            while time.monotonic() < end and server.process.poll() is None:
                yield b""
                time.sleep(0.05)

        answer = converse(server.address, endless(), patience=15)
        assert WORDS in answer.error
        assert running.end().error == ""
        assert server.process.wait(15) == 0
