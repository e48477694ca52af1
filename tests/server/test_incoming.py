"""What comes in is shown as it is: lines that were measured, correlated and dead coils, the heartbeat."""

import base64

import numpy as np
import pytest

from gadgets.data import Block, Noise, Waveform
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD, Flag
from gadgets.scan import Encoding, Limit, Scan, Space
from server.control.events import EDGE, pack, sayable
from server.incoming import CHANNELS, PACKETS, SAMPLES, Incoming


def scan(lines=16, partitions=1, slices=2):
    space = Space(matrix=(16, lines, partitions), fov=(0.3, 0.3, 0.01))
    return Scan(
        encodings=(Encoding(encoded=space, recon=space, limits={"slice": Limit(maximum=slices - 1)}),)
    )


def block(**counters):
    count = len(next(iter(counters.values())))
    head = np.zeros(count, READOUT_HEAD)
    for name, values in counters.items():
        head["idx"][name] = values
    return Block(head=head, data=np.zeros((count, 2, 4), np.complex64))


def views(incoming):
    found = {each["name"]: each for each in incoming.views()}
    for each in found.values():
        assert sayable("view", each) == each
        assert pack("s-1", "view", each)
    return found


def pixels(found):
    return np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(found["height"], found["width"])


def test_the_lines_of_the_newest_repetition_are_counted_by_slice():
    incoming = Incoming(scan())
    incoming.take(block(kspace_encode_step_1=[0, 2, 4], slice=[0, 0, 1]))
    incoming.take(block(kspace_encode_step_1=[2, 99], slice=[0, 0]))
    shown = views(incoming)["kspace"]
    expected = np.zeros((2, 16), int)
    expected[0, 0], expected[0, 2], expected[1, 4] = 127, 255, 127
    assert np.array_equal(pixels(shown), expected)
    assert shown["levels"] == [3, 32]
    assert views(incoming) == {}
    incoming.take(block(kspace_encode_step_1=[1], repetition=[1]))
    assert views(incoming)["kspace"]["levels"] == [1, 32]


def test_reference_lines_are_no_lines_of_the_image():
    incoming = Incoming(scan())
    lines = block(kspace_encode_step_1=[1, 2, 3])
    lines.head["flags"][:2] = int(Flag.PARALLEL_CALIBRATION)
    lines.head["flags"][1] |= np.uint64(Flag.PARALLEL_CALIBRATION_AND_IMAGING)
    incoming.take(lines)
    assert views(incoming)["kspace"]["levels"] == [2, 32]


def test_a_large_matrix_becomes_a_small_picture_that_loses_no_line():
    incoming = Incoming(scan(lines=1000, partitions=300))
    incoming.take(block(kspace_encode_step_1=[999], kspace_encode_step_2=[299]))
    shown = views(incoming)["kspace"]
    assert max(shown["width"], shown["height"]) <= EDGE
    assert pixels(shown)[-1, -1] == 255


def test_correlated_and_dead_channels_are_seen():
    random = np.random.default_rng(0)
    data = (random.normal(size=(8, 4, 256)) + 1j * random.normal(size=(8, 4, 256))).astype(np.complex64)
    data[:, 1] = 2 * data[:, 0]
    data[:, 3] = 0
    incoming = Incoming(scan())
    for part in (slice(0, 2), slice(2, 8)):
        list(incoming.views())
        incoming.take(Noise(head=np.zeros(8, READOUT_HEAD)[part], data=data[part]))
    shown = views(incoming)["noise"]
    assert shown["marks"] == [3]
    assert shown["levels"] == pytest.approx([1, 2, 1, 0], abs=0.06)
    picture = pixels(shown)
    assert picture[0, 1] >= 254
    assert picture[0, 2] < 40
    assert picture[3, 3] == 0


def test_the_last_seconds_of_the_heartbeat_are_shown():
    incoming = Incoming(scan())
    for start in range(0, 8000, 400):
        head = np.zeros((), WAVEFORM_HEAD)
        head["sample_time_us"] = 2500
        time = np.arange(start, start + 400)
        incoming.take(Waveform(head=head, data=np.stack([time, (time % 400 == 0) * 7]).astype(np.uint32)))
    shown = views(incoming)["trace"]
    assert shown["levels"] == [8.0]
    ramp, trigger = pixels(shown)
    assert (np.diff(ramp.astype(int)) >= 0).all()
    assert (ramp[0], ramp[-1]) == (1, 255)
    assert (trigger == 255).sum() == 8


@pytest.mark.parametrize("samples", [1, 5000])
def test_a_signal_said_to_be_sampled_without_end_is_kept_in_bounds(samples):
    incoming = Incoming(scan())
    head = np.zeros((), WAVEFORM_HEAD)
    head["sample_time_us"] = 1
    for start in range(0, 3 * SAMPLES, samples):
        time = np.arange(start, start + samples, dtype=np.uint32)
        incoming.take(Waveform(head=head, data=np.tile(time, (40, 1))))
    kept = list(incoming._wave)
    assert sum(each.shape[1] for each in kept) < SAMPLES + samples and len(kept) <= PACKETS
    assert kept[0].shape[0] == CHANNELS and kept[-1][0, -1] >= 3 * SAMPLES - 1
    assert views(incoming)["trace"]["height"] == CHANNELS


def test_what_cannot_be_shown_costs_the_scan_nothing():
    incoming = Incoming(Scan())
    incoming.take(Noise(head=np.zeros(1, READOUT_HEAD), data=np.zeros((1, 9, 2), np.complex64)))
    incoming.take(Waveform(head=np.zeros((), WAVEFORM_HEAD), data=np.zeros((1, 5), np.uint32)))
    for shape in ((0, 5), (2, 0)):
        head = np.zeros((), WAVEFORM_HEAD)
        head["sample_time_us"] = 2500
        incoming.take(Waveform(head=head, data=np.zeros(shape, np.uint32)))
        assert list(incoming.views()) == []
    incoming.take(block(kspace_encode_step_1=[5]))
    assert set(views(incoming)) == {"kspace"}
