"""A console that stops reading stops neither reception nor others, and gets its images when it reads."""

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from server.wire.decode import decode_all
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import spawned, until

IMAGES = 40
SIDE = 1024
PLUGIN = f"""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Many(Gadget):
    \"\"\"Each image many times, and large.\"\"\"

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        for image in stream:
            large = image.data.repeat(*[1] * (image.data.ndim - 2), {SIDE // 32}, {SIDE // 32})
            for _ in range({IMAGES}):
                yield replace(image, data=large)
"""
CHAIN = """chain:
- RemoveOversampling
- Accumulate
- Fourier
- Combine: {method: rss}
- Many
"""
SCAN = scan(repetitions=2, noise_readouts=0)
BYTES = said(CHAIN, SCAN)


def memory(pid):
    """Proportional set size [bytes]; 0 for a process that has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


def keeper(server):
    """The process that holds the connection: the listener's youngest child of its own name."""
    listener = server.tree()[server.process.pid]
    return max(pid for pid, line in server.tree().items() if line == listener)


def deaf(address):
    """A connection that holds little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect(address)
    connection.settimeout(60)
    return connection


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
def test_a_console_that_stops_reading_gets_all_its_images_when_it_reads_again(tmp_path, seconds):
    with spawned(tmp_path / "state", plugin=PLUGIN) as server, deaf(server.address) as connection:
        connection.sendall(BYTES)
        [entry] = until(lambda: server.records)
        assert until(lambda: entry.folder.joinpath("stream.mrd").read_bytes()[: len(BYTES)] == BYTES)
        pid, peak = keeper(server), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or not on_disk(pid):
            peak = max(peak, memory(pid))
            time.sleep(0.05)
        assert not send(server.address, said("cartesian_fft", SCAN))[0].error

        connection.shutdown(socket.SHUT_WR)
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 20), b"")))
        assert [type(each).__name__ for each in found] == ["Image"] * (2 * IMAGES) + ["Close"]
        assert 64 << 20 < peak < 128 << 20
        assert until(lambda: [each.state for each in server.records] == ["complete"] * 2)


def on_disk(pid):
    """Whether the process holds replies in a file without a name."""
    with suppress(OSError):
        files = [each for each in Path(f"/proc/{pid}/fd").iterdir() if "/spool/" in str(each.readlink())]
        return any(each.stat().st_nlink == 0 for each in files)
    return False


def test_beyond_the_limit_the_images_end_and_the_outcome_says_why(tmp_path):
    with spawned(tmp_path / "state", plugin=PLUGIN, replies=32 << 20) as server:
        with deaf(server.address) as connection:
            connection.sendall(BYTES)
            connection.shutdown(socket.SHUT_WR)
            assert until(lambda: [each.state for each in server.records] == ["failed"], 30)
        [entry] = server.records
        assert "wait for the peer, which does not read" in entry.outcome["error"]
        assert server.stream(entry) == BYTES
        assert not send(server.address, said("cartesian_fft", SCAN))[0].error


def test_a_console_that_takes_nothing_behind_the_scan_is_given_up_and_the_outcome_says_so(tmp_path):
    with spawned(tmp_path / "state", plugin=PLUGIN, patience=0.5) as server:
        with deaf(server.address) as connection:
            connection.sendall(BYTES)
            connection.shutdown(socket.SHUT_WR)
            assert until(lambda: [each.state for each in server.records] == ["failed"], 30)
        assert "took none of its last replies for 0.5 s" in server.records[0].outcome["error"]
        assert server.records[0].outcome["images"] == 2 * IMAGES
