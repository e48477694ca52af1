"""The life of a server: it reloads between scans, and bears one scan too many."""

import signal

import pytest

from tests.endtoend.scans import pixels, said, send
from tests.endtoend.slowly import BYTES, SCAN, Slowly
from tests.endtoend.spawn import spawned, until

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


@pytest.mark.slow
def test_plug_ins_that_were_changed_hold_for_the_next_scan_and_running_scans_finish(tmp_path):
    with spawned(tmp_path / "state", plugin=SITE.format(factor=1)) as server:
        running = Slowly(server.address, CHAIN)
        old = server.one("server.template")
        [one, _] = [each.data for each in send(server.address, said(CHAIN, SCAN))[1]]

        (server.folder / "plugins" / "misbehaving.py").write_text(SITE.format(factor=16))
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: changed(server.address, one), 60)

        assert running.end().error == ""
        assert (running.images[1].data != one * 16).any()
        assert until(lambda: server.one("server.template") != old)
        assert until(lambda: old not in server.tree())


def changed(address, one):
    return bool((send(address, said(CHAIN, SCAN))[1][0].data == one * 16).all())


@pytest.mark.slow
def test_plug_ins_that_cannot_be_loaded_leave_the_old_ones_in_force(tmp_path):
    with spawned(tmp_path / "state", plugin=SITE.format(factor=1)) as server:
        before = pixels(send(server.address, said(CHAIN, SCAN))[1])
        (server.folder / "plugins" / "misbehaving.py").write_text("not Python")
        server.process.send_signal(signal.SIGHUP)
        assert until(lambda: "the scans go on with the old ones" in server.log, 60)
        assert pixels(send(server.address, said(CHAIN, SCAN))[1]) == before


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
        assert server.idle(), "the keepers have not left"
        answer, images = send(server.address, kept)
        assert answer.error == ""
        assert pixels(images) == pixels(running.images)
