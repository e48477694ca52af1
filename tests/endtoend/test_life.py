"""The life of a server: it drains, reloads between scans, replaces what died, and bears one scan too many."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from server.client import converse
from server.wire import encode
from tests.endtoend.scans import pixels, said, scan, send, singles
from tests.endtoend.spawn import spawned, start, until

SCAN = scan(repetitions=2)
BYTES = said("cartesian_fft", SCAN)
SITE = """
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Times(Gadget):
    \"\"\"Multiplies by a number of this file's own.\"\"\"

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        for image in stream:
            yield replace(image, data=image.data * {factor})
"""
CHAIN = """chain:
- RemoveOversampling
- Accumulate
- Fourier
- Combine: {method: rss}
- Times
"""


class Slowly(threading.Thread):
    """Sends a scan, of which the second half waits until it is let go."""

    def __init__(self, address, config="cartesian_fft"):
        super().__init__(daemon=True)
        self._address, self._config = address, config
        self.begun, self.go, self.images = threading.Event(), threading.Event(), []
        self.start()
        assert self.begun.wait(20), "no image of the first half"

    def run(self):
        self.answer = converse(self._address, self._parts(), self._keep, patience=30)

    def end(self):
        self.go.set()
        self.join(30)
        return self.answer

    def _keep(self, image):
        self.images.append(image)
        self.begun.set()

    def _parts(self):
        head, *rest, close = _messages(self._config)
        yield head + b"".join(rest[: 64 + 32])
        assert self.go.wait(30)
        yield b"".join(rest[64 + 32 :]) + close


def _messages(config):
    xml, items = SCAN
    said_ = encode.config_file(config) if "\n" not in config else encode.config_text(config)
    return [said_ + encode.header(xml), *(encode.readouts(each) for each in singles(items)), encode.close()]


def refused(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_stop_finishes_the_scans_that_run_and_takes_no_other(tmp_path, number):
    server = start(tmp_path / "state")
    try:
        running = Slowly(server.address)
        server.process.send_signal(number)
        assert until(lambda: refused(server.address))
        assert server.process.poll() is None
        assert running.end().error == ""
        assert len(running.images) == 2
        assert server.process.wait(10) == 0
        assert [each.state for each in server.records] == ["complete"]
        assert until(lambda: not leftovers(server)), leftovers(server)
    finally:
        server.process.kill()
        server.process.stdout.close()


def test_a_scan_that_outlives_the_grace_is_ended_and_stays_in_the_spool(tmp_path):
    server = start(tmp_path / "state", grace=1)
    try:
        running = Slowly(server.address)
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert 0.5 < time.monotonic() - began < 5
        assert running.end().error
        assert until(lambda: [each.state for each in server.records] == ["interrupted"])
        assert until(lambda: not leftovers(server)), leftovers(server)
    finally:
        server.process.kill()
        server.process.stdout.close()


def leftovers(server):
    """Processes of the server's session that live on without it."""
    found = []
    for pid in (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()):
        with suppress(OSError):
            if os.getpgid(pid) == server.process.pid != pid:
                found.append(pid)
    return found


def test_plug_ins_that_were_changed_hold_for_the_next_scan_and_running_scans_finish(tmp_path):
    with spawned(tmp_path / "state", plugin=SITE.format(factor=1)) as server:
        running = Slowly(server.address, CHAIN)
        old = server.one("server.template")
        [one, _] = [each.data for each in send(server.address, said(CHAIN, SCAN))[1]]

        (server.folder / "plugins" / "misbehaving.py").write_text(SITE.format(factor=16))
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: changed(server.address, one))

        assert running.end().error == ""
        assert (running.images[1].data != one * 16).any()
        assert until(lambda: server.one("server.template") != old)
        assert until(lambda: old not in server.tree())


def changed(address, one):
    return bool((send(address, said(CHAIN, SCAN))[1][0].data == one * 16).all())


def test_plug_ins_that_cannot_be_loaded_leave_the_old_ones_in_force(tmp_path):
    with spawned(tmp_path / "state", plugin=SITE.format(factor=1)) as server:
        before = pixels(send(server.address, said(CHAIN, SCAN))[1])
        (server.folder / "plugins" / "misbehaving.py").write_text("not Python")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: "the scans go on with the old ones" in server.log)
        assert pixels(send(server.address, said(CHAIN, SCAN))[1]) == before


def test_a_template_that_dies_is_replaced_and_the_scans_go_on(tmp_path):
    with spawned(tmp_path / "state") as server:
        running = Slowly(server.address)
        alone = pixels(send(server.address, BYTES)[1])
        old = server.one("server.template")
        os.kill(old, signal.SIGKILL)
        assert until(lambda: old not in server.tree())
        answer, images = send(server.address, BYTES)
        assert answer.error == ""
        assert pixels(images) == alone
        assert running.end().error == ""
        assert pixels(running.images) == alone


def test_one_scan_too_many_is_received_for_the_spool_said_so_and_replays(tmp_path):
    with spawned(tmp_path / "state", sessions=1) as server:
        running = Slowly(server.address)
        answer, images = send(server.address, BYTES)
        assert "busy with 1 scans" in answer.error
        assert answer.sent is not None
        assert not images
        assert running.end().error == ""

        assert until(lambda: {each.state for each in server.records} == {"complete", "spooled"})
        [spooled] = [each for each in server.records if each.state == "spooled"]
        kept = server.stream(spooled)
        assert kept == BYTES
        answer, images = send(server.address, kept)
        assert answer.error == ""
        assert pixels(images) == pixels(running.images)
