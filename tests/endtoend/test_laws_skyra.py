"""The laws of ``test_laws`` on a scan that a clinical scanner recorded."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gadgets.data import Readouts
from gadgets.head import Flag
from server.files.scan import read_scan
from tests.endtoend.scans import offline, pixels, said, send, singles, together
from tests.endtoend.test_laws import ALL_LAST, disturbed

BESIDE = Path(__file__).parents[3] / "shared" / "data"
FILE = Path(os.environ.get("SCANSIDE_DATA", BESIDE)) / "mrd" / "skyra14_noise_grappa3.h5"
CHAIN = "cartesian_grappa"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE}: set SCANSIDE_DATA"),
]


@pytest.fixture(scope="module")
def skyra():
    scan = read_scan(FILE)
    return scan.xml, tuple(item for item in scan.runs() if isinstance(item, Readouts))


@pytest.fixture(scope="module")
def whole(skyra):
    found = pixels(offline(CHAIN, skyra))
    assert [role for role, _ in found] == ["image", "gfactor"]
    return found


def test_the_cut_of_blocks_changes_no_byte(skyra, whole):
    random = np.random.default_rng(0)
    for _ in range(100):
        assert pixels(offline(CHAIN, skyra, cuts=random)) == whole


def test_the_order_of_lines_changes_no_byte(skyra, whole):
    xml, items = skyra
    every = list(singles(items))
    lines = together(item for item in every if not _noise(item))
    lines.head["flags"] &= ALL_LAST
    noise = [item for item in every if _noise(item)]
    plain = pixels(offline(CHAIN, (xml, (*noise, lines))))
    assert plain == whole
    random = np.random.default_rng(1)
    for _ in range(10):
        order = random.permutation(len(lines.head))
        shuffled = replace(lines, head=lines.head[order], data=lines.data[order])
        assert pixels(offline(CHAIN, (xml, (*noise, shuffled)))) == whole


def test_a_fault_at_any_readout_lets_no_image_leave(skyra):
    xml, items = skyra
    every = list(singles(items))
    for at in range(1, len(every)):
        broken = Readouts(head=every[at].head, data=every[at].data[:, :2])
        assert disturbed(CHAIN, (xml, [*every[:at], broken, *every[at + 1 :]])) == []


def test_a_stream_cut_anywhere_sends_nothing_and_says_so(server, skyra, whole):
    stream = said(CHAIN, skyra)
    answer, images = send(server, stream)
    assert not answer.error
    assert [data for _, data in pixels(images)] == [data for _, data in whole]
    for share in np.linspace(0.01, 0.999, 60):
        answer, images = send(server, stream[: int(share * len(stream))])
        assert answer.error
        assert images == []


def _noise(item):
    return bool(item.head["flags"][0] & np.uint64(int(Flag.NOISE_MEASUREMENT)))
