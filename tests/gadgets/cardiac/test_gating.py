"""Lines of a segmented scan, seen at the same phases of the heartbeat."""

import numpy as np
import pytest

from gadgets.cardiac.gating import GateHeartbeats
from gadgets.data import Block, Text
from gadgets.head import Flag
from gadgets.testing import cartesian, cut_at_random, join, readouts, run

SCAN = cartesian((4, 6, 1))


def moving(line, part):
    """What a line shows at a part of the heartbeat: smooth and periodic."""
    return (1 + line) * (1 + 0.3 * np.cos(2 * np.pi * part) + 0.2j * np.sin(4 * np.pi * part))


def beat(start, interval, lines, slice_=0, every=12):
    """A beat that measures its lines over and over, times in ticks."""
    parts = []
    for since in range(0, interval - every + 1, every):
        for line in lines:
            kspace = np.full((2, 1, 6, 4), moving(line, since / interval), np.complex64)
            block = readouts(kspace, [line], slice=slice_, phase=since // every)
            parts.append((block, start + since, since))
    return parts


def scan_of(*beats):
    parts = [each for one in beats for each in one]
    block = join(part for part, _, _ in parts)
    block.head["acquisition_time_stamp"] = [now for _, now, _ in parts]
    block.head["physiology_time_stamp"][:, 0] = [since for _, _, since in parts]
    return block


def regular(slice_=0, begin=1000):
    """Three beats of unequal length with two lines each."""
    intervals = 360, 400, 380
    starts = begin + np.cumsum([0, *intervals[:-1]])
    return [
        beat(int(start), interval, (2 * n, 2 * n + 1), slice_)
        for n, (start, interval) in enumerate(zip(starts, intervals, strict=True))
    ]


def blocks(items):
    return [item for item in items if isinstance(item, Block)]


def slices(items):
    """All phases of each slice in one block."""
    found = blocks(items)
    places = [int(each.head["idx"]["slice"][0]) for each in found]
    return [
        join(each for each, at in zip(found, places, strict=True) if at == place)
        for place in sorted(set(places))
    ]


def test_every_line_is_seen_at_the_same_phases_of_its_own_beat():
    (found,) = slices(run(GateHeartbeats(phases=8), [scan_of(*regular())], SCAN))
    assert found.data.shape == (48, 2, 4)
    idx = found.head["idx"]
    np.testing.assert_array_equal(idx["phase"], np.repeat(np.arange(8), 6))
    expected = moving(idx["kspace_encode_step_1"], idx["phase"] / 8)
    np.testing.assert_allclose(found.data[:, 0, 0], expected, rtol=0.003)


def test_where_blocks_were_cut_changes_nothing():
    whole = scan_of(*regular(), *regular(1, 5000))
    expected = slices(run(GateHeartbeats(phases=8), [whole], SCAN))
    assert [int(each.head["idx"]["slice"][0]) for each in expected] == [0, 1]
    for seed in range(3):
        found = slices(run(GateHeartbeats(phases=8), cut_at_random(whole, seed), SCAN))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.data, other.data)
            np.testing.assert_array_equal(one.head, other.head)


def test_each_phase_comes_by_itself():
    """So that it is reconstructed while the next one is interpolated."""
    found = blocks(run(GateHeartbeats(phases=8), [scan_of(*regular())], SCAN))
    assert [each.head["idx"]["phase"].tolist() for each in found] == [[phase] * 6 for phase in range(8)]


def test_only_the_last_line_ends_the_slice():
    (found,) = slices(run(GateHeartbeats(phases=4), [scan_of(*regular())], SCAN))
    last = (found.head["flags"] & np.uint64(int(Flag.LAST_IN_SLICE))) > 0
    assert last.tolist() == [False] * 23 + [True]


def test_of_two_beats_the_one_of_usual_length_counts_and_an_only_one_is_told():
    odd = beat(800, 200, (0, 1))
    for _, (extra, warned) in {"again": (odd, False), "only": ([], True)}.items():
        beats = regular() if not warned else [beat(1160, 200, (0, 1)), *regular()[1:]]
        items = run(GateHeartbeats(phases=8), [scan_of(*([extra] if extra else []), *beats)], SCAN)
        assert any(isinstance(each, Text) for each in items) == warned
        (found,) = slices(items)
        lines = found.head["idx"]["kspace_encode_step_1"]
        expected = moving(lines, found.head["idx"]["phase"] / 8)
        error = np.abs(found.data[:, 0, 0] - expected) / (1 + lines)
        assert error.max() < 0.15


def test_lines_without_a_trigger_pass_as_they_are():
    block = readouts(np.ones((2, 1, 6, 4), np.complex64), range(6))
    (found,) = run(GateHeartbeats(), [block], SCAN)
    np.testing.assert_array_equal(found.data, block.data)


@pytest.mark.parametrize(("said", "count"), [({"RetroGatedImages": 5}, 5), ({}, 31)])
def test_the_header_says_how_many_phases_there_are(said, count):
    scan = cartesian((4, 6, 1), parameters=said)
    (found,) = slices(run(GateHeartbeats(), [scan_of(*regular())], scan))
    assert found.head["idx"]["phase"].max() + 1 == count
