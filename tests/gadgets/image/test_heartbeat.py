import numpy as np
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.heartbeat import InterpolateHeartbeats
from gadgets.scan import Scan
from gadgets.testing import run, run_interrupted

BEATS = (1000, 1400, 1720)
"""Triggers, in ticks of 2.5 ms: beats of 1000 and 800 ms."""


def frames(step=16, first=900, last=1800, signal=lambda moment: moment / 100, role="image", slices=1):
    for moment in range(first, last, step):
        since = moment - max((each for each in BEATS if each <= moment), default=500)
        for index in range(slices):
            head = np.zeros((), IMAGE_HEAD)
            head["acquisition_time_stamp"], head["slice"] = moment, index
            head["physiology_time_stamp"][0] = since
            yield Image(data=torch.full((1, 1, 2, 2), float(signal(moment))), head=head, role=role)


def beats(items, **parameters):
    items = list(items)
    found = run(InterpolateHeartbeats(**parameters), items, Scan())
    assert all(one is other for one, other in zip(found, items, strict=False))
    return found[len(items) :]


def test_each_complete_heartbeat_is_a_series_at_fixed_phases():
    found = beats(frames(slices=2), phases=20)
    assert len(found) == 2 * 2 * 20
    series = [int(each.head["image_series_index"]) for each in found]
    assert sorted(set(series)) == [10, 11, 20, 21]
    one = [each for each in found if int(each.head["image_series_index"]) == 10]
    assert [int(each.head["phase"]) for each in one] == list(range(20))
    assert one[0].meta["ScansideHeartbeat"] == "beat 1 of 1000 ms"
    assert [
        each.meta["ScansideHeartbeat"] for each in found if int(each.head["image_series_index"]) == 20
    ] == ["beat 2 of 800 ms"] * 20
    assert int(one[10].head["physiology_time_stamp"][0]) == 200


def test_what_grows_evenly_is_interpolated_exactly():
    for each in beats(frames(), phases=25):
        number = int(each.head["image_series_index"]) // 10 - 1
        begin, end = BEATS[number], BEATS[number + 1]
        moment = begin + (end - begin) * int(each.head["phase"]) / 25
        torch.testing.assert_close(each.data, torch.full((1, 1, 2, 2), moment / 100), rtol=1e-6, atol=0)


def test_a_beating_signal_is_interpolated_to_a_thousandth():
    def beat(moment):
        return np.sin(2 * np.pi * (moment - 1000) / 400)

    for each in beats(frames(signal=beat), phases=30, beats="first"):
        expected = beat(1000 + 400 * int(each.head["phase"]) / 30)
        assert abs(float(each.data[0, 0, 0, 0]) - expected) < 2e-3


def test_only_complete_heartbeats_count():
    assert beats(frames(last=1390)) == []
    assert len(beats(frames(first=1000), phases=5)) == 10
    assert len(beats(frames(first=1000), phases=5, beats="first")) == 5
    assert beats([]) == []


def test_companions_pass_and_a_broken_scan_gives_no_heartbeat():
    assert beats(frames(role="gfactor")) == []
    items = list(frames())
    assert run_interrupted(InterpolateHeartbeats(), items, Scan()) == items
