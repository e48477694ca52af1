"""No result depends on how bytes were cut or lines ordered; nothing half-received ever leaves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import Readouts
from gadgets.head import LAST, Flag
from server.wire import encode
from tests.endtoend.scans import offline, pixels, said, scan, send, singles, steps, together

BRANCHED = """chain:
- RemoveOversampling
- Prewhiten
- parallel:
    lines: [Accumulate, Grappa, {Combine: {gfactor: true}}]
    volumes:
    - Accumulate: {calibrate: each}
    - parallel:
        sharp: [Grappa, Combine]
        smooth: [Grappa, {Combine: {method: rss}}]
- Magnitude
"""
"""Branches on readouts, and within one of them branches on k-space."""

SCANS = {
    "cartesian_fft": {"repetitions": 2, "slices": 2},
    "cartesian_grappa": {"acceleration": 2, "repetitions": 2},
    BRANCHED: {"acceleration": 2, "repetitions": 2, "slices": 2},
}
ALL_LAST = np.uint64(~(sum(LAST.values()) | Flag.LAST_IN_MEASUREMENT) & (2**64 - 1))


@pytest.fixture(params=SCANS, ids=["fft", "grappa", "branched"])
def case(request):
    return request.param, scan(**SCANS[request.param])


def test_the_cut_of_blocks_changes_no_byte(case):
    chain, scan_ = case
    whole = pixels(offline(chain, scan_))
    random = np.random.default_rng(0)
    for _ in range(25 if chain == BRANCHED else 100):
        assert pixels(offline(chain, scan_, cuts=random)) == whole


def test_the_order_of_lines_changes_no_byte(case):
    """Without LAST flags, which say what comes last, all lines of a repetition in any order."""
    chain, (xml, items) = case
    noise, *imaging = items
    lines = together(imaging)
    lines.head["flags"] &= ALL_LAST
    whole = sorted(pixels(offline(chain, (xml, (noise, lines)))))
    random = np.random.default_rng(1)
    for _ in range(10):
        order = np.lexsort([random.permutation(len(lines.head)), lines.head["idx"]["repetition"]])
        shuffled = replace(lines, head=lines.head[order], data=lines.data[order])
        assert sorted(pixels(offline(chain, (xml, (noise, shuffled))))) == whole


@pytest.mark.parametrize("chain", SCANS)
def test_the_number_of_threads_changes_no_byte(chain):
    """A session beside others has fewer threads; its images, and those of a replay, are the same."""
    large = scan(columns=160, lines=160, coils=8, **SCANS[chain])
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(pixels(offline(chain, large)))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_what_leaves_a_disturbed_scan_is_a_subset_of_what_leaves_the_whole_one(case):
    """A fault injected at each readout, as one that no gadget can explain."""
    chain, (xml, items) = case
    whole = pixels(offline(chain, (xml, items)))
    every = list(singles(items))
    for at in range(64, len(every), 7):
        broken = [*every[:at], Readouts(head=every[at].head, data=every[at].data[:, :2]), *every[at + 1 :]]
        found = disturbed(chain, (xml, broken))
        assert all(image in whole for image in found)
        assert len(found) < len(whole)


def disturbed(chain, scan_):
    from server.chain import build
    from server.engine.line import run
    from server.errors import DataError
    from server.wire.header import read_header
    from server.wire.readouts import split

    xml, items = scan_
    images = []
    with pytest.raises(DataError):
        for item in run(build(steps(chain)), [p for i in items for p in split(i)], read_header(xml)):
            images.append(item)
    return pixels([each for each in images if hasattr(each, "role")])


def test_a_stream_cut_at_each_message_sends_a_subset(server, case):
    chain, (xml, items) = case
    _, images = send(server, said(chain, (xml, items)))
    whole = pixels(images)
    config = encode.config_text(chain) if chain == BRANCHED else encode.config_file(chain)
    start = config + encode.header(xml)
    messages = [encode.readouts(each) for each in singles(items)]
    for count in range(0, len(messages) + 1, 9):
        answer, images = send(server, start + b"".join(messages[:count]))
        assert answer.error
        found = pixels(images)
        if chain == BRANCHED:
            rest = iter(whole)
            assert all(image in rest for image in found), "not in the order of the whole scan's images"
        else:
            assert found == whole[: len(found)]
        assert len(found) <= len(whole)


def test_through_the_server_and_offline_are_the_same_bytes(server, case):
    chain, scan_ = case
    answer, images = send(server, said(chain, scan_))
    assert not answer.error
    assert [data for _, data in pixels(images)] == [data for _, data in pixels(offline(chain, scan_))]
