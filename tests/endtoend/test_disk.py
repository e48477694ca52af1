"""A spool whose disk runs full: both policies, said aloud; every image that can be made is made."""

import subprocess
from contextlib import contextmanager

import pytest

from tests.endtoend.scans import pixels, said, scan, send
from tests.endtoend.spawn import spawned, until

SMALL = scan()
LARGE = scan(columns=128, lines=128, coils=8, repetitions=12, noise_readouts=0)
FIRST = said("cartesian_fft", SMALL)
BYTES = said("cartesian_fft", LARGE)
DISK = 12
"""MiB of disk; the large scan has more."""


@contextmanager
def disk(folder):
    """A file system of few MiB."""
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=0700", "scanside-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def served(tmp_path, **settings):
    with disk(tmp_path / "disk") as place, spawned(tmp_path / "state", spool=place, **settings) as server:
        yield server, place


@pytest.fixture(scope="module")
def alone(server):
    """The images of both scans where there is room."""
    return [pixels(send(server, data)[1]) for data in (FIRST, BYTES)]


@pytest.mark.parametrize("policy", [pytest.param("refuse", marks=pytest.mark.slow), "continue"])
def test_a_disk_that_runs_full_costs_no_image_and_the_peer_is_told(tmp_path, alone, policy):
    assert len(BYTES) > DISK << 20
    with served(tmp_path, spool_full=policy, spool_room=1 << 20) as (server, place):
        answer, images = send(server.address, BYTES)
        assert answer.sent is not None
        assert answer.error == ""
        assert pixels(images) == alone[1]
        [warning] = [each for each in answer.texts if "spool" in each]
        assert warning.startswith("WARNING")
        assert "the scan is not kept in the spool: " in warning
        assert "full at byte" in warning
        [entry] = until(lambda: records(place, 1))
        assert entry.state == "complete"
        assert entry.outcome["kept"] is False
        assert not entry.succeeded
        assert (entry.folder / "stream.mrd").read_bytes() == BYTES[: entry.size]

        then(server, place, policy, alone)


def then(server, place, policy, alone):
    """The next scan: refused with the reason, or done without the spool; both said aloud."""
    answer, images = send(server.address, FIRST)
    assert answer.sent is not None
    assert "MiB free" in answer.texts[0]
    if policy == "refuse":
        assert answer.error
        assert not images
    else:
        assert answer.error == ""
        assert pixels(images) == alone[0]

    [entry] = records(place)
    subprocess.run(["rm", "-r", str(entry.folder)], check=True)
    answer, images = send(server.address, FIRST)
    assert not answer.texts
    assert pixels(images) == alone[0]


def records(place, closed=0):
    from server.spool.index import records

    found = records(place)
    return found if len([each for each in found if each.outcome]) >= closed else []
