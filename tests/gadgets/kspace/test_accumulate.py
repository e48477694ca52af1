"""What a buffer holds: the law of order and cut, placement, averages, and what is refused."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gadgets.data import Kspace, Reference, Text
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.kspace.accumulate import Accumulate
from gadgets.testing import (
    cartesian,
    cut,
    cut_at_random,
    join,
    random_kspace,
    readouts,
    run,
    run_interrupted,
    take,
)

CALIBRATION = Flag.PARALLEL_CALIBRATION
BOTH = Flag.PARALLEL_CALIBRATION_AND_IMAGING


def images(items):
    return [item for item in items if isinstance(item, Kspace)]


def fingerprint(item):
    """Everything that an item says, as bytes; the order of items is not part of it."""
    if isinstance(item, Kspace):
        parts = (item.data.contiguous(), item.sampled)
        return "kspace", item.head.tobytes(), *(part.numpy().tobytes() for part in parts)
    if isinstance(item, Reference):
        return "reference", item.slice, item.first, item.shape, item.data.numpy().tobytes()
    return "text", item.text


def fingerprints(items):
    return sorted(map(fingerprint, items))


def accelerated(averages=1, counted=True, slices=2, repetitions=1):
    """R = 2 over 12 lines with reference lines 4 to 8, two slices."""
    blocks = []
    for repetition, at, average in product(range(repetitions), range(slices), range(averages)):
        kspace = random_kspace((2, 1, 12, 4), seed=100 * repetition + 10 * at + average)
        both = {"slice": at, "average": average, "repetition": repetition}
        blocks += [
            readouts(kspace, [0, 2, 10], **both),
            readouts(kspace, [4, 6, 8], flags=BOTH, **both),
            readouts(kspace, [5, 7], flags=CALIBRATION, **both),
        ]
    limits = {"kspace_encode_step_1": (0, 11, 6), "average": (0, averages - 1, 0)}
    parameters = {"EmbeddedRefLinesE1": 5} if counted else {}
    scan = cartesian(
        (4, 12, 1), limits=limits, acceleration=(2, 1), calibration="embedded", parameters=parameters
    )
    return join(blocks), scan


def full(repetitions=1, slices=1, averages=1, matrix=(4, 6, 1)):
    """Every line of every image, line after line, and the header that promises them."""
    blocks = []
    for repetition, average, at in product(range(repetitions), range(averages), range(slices)):
        seed = repetition + 10 * at + 100 * average
        kspace = random_kspace((2, matrix[2], matrix[1], matrix[0]), seed)
        k2, k1 = np.divmod(np.arange(matrix[1] * matrix[2]), matrix[1])
        blocks.append(readouts(kspace, k1, k2, repetition=repetition, average=average, slice=at))
    limits = {
        "kspace_encode_step_1": (0, matrix[1] - 1, matrix[1] // 2),
        "kspace_encode_step_2": (0, matrix[2] - 1, matrix[2] // 2),
        "average": (0, averages - 1, 0),
    }
    return join(blocks), cartesian(matrix, limits=limits)


SCANS = {
    "full": full(repetitions=2, slices=2),
    "averaged": full(averages=3, slices=2),
    "three dimensions": full(matrix=(4, 6, 3)),
    "accelerated": accelerated(),
    "accelerated, reference lines not counted": accelerated(counted=False),
    "accelerated and averaged": accelerated(averages=2),
}


@pytest.mark.parametrize("name", SCANS)
@settings(max_examples=25, deadline=None)
@given(order=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, 80), max_size=12))
def test_no_bit_depends_on_the_order_of_the_lines_or_on_the_cuts(name, order, cuts):
    block, scan = SCANS[name]
    rows = list(range(len(block.head)))
    order.shuffle(rows)
    shuffled = cut(take(block, rows), cuts)
    assert fingerprints(run(Accumulate(), shuffled, scan)) == fingerprints(run(Accumulate(), [block], scan))


IN_ORDER = {**SCANS, "one slice, reference lines last": accelerated(counted=False, slices=1, repetitions=3)}


@pytest.mark.parametrize("name", IN_ORDER)
def test_items_leave_in_the_same_order_wherever_the_blocks_are_cut(name):
    block, scan = IN_ORDER[name]
    whole = [fingerprint(item) for item in run(Accumulate(), [block], scan)]
    for seed in range(20):
        parts = cut_at_random(block, seed, cuts=8)
        assert [fingerprint(item) for item in run(Accumulate(), parts, scan)] == whole


@pytest.mark.parametrize("name", SCANS)
def test_an_interrupted_scan_gives_a_beginning_of_the_undisturbed_one(name):
    block, scan = IN_ORDER[name]
    whole = [fingerprint(item) for item in run(Accumulate(), [block], scan)]
    for stop in range(len(block.head)):
        parts = cut(take(block, np.arange(stop)), range(0, stop, 3)) if stop else []
        answers = [fingerprint(item) for item in run_interrupted(Accumulate(), parts, scan)]
        assert answers == whole[: len(answers)]


def test_an_image_is_what_was_sent_bit_for_bit():
    kspace = random_kspace((3, 2, 6, 4))
    k2, k1 = np.divmod(np.arange(12), 6)
    (image,) = run(Accumulate(), [readouts(-kspace, k1[::-1], k2[::-1])], cartesian((4, 6, 2)))
    assert image.data.shape == (1, 1, 1, 3, 2, 6, 4)
    assert image.data[0, 0, 0].numpy().tobytes() == (-kspace).tobytes()
    assert image.sampled.dtype == torch.int32
    assert (image.sampled == 1).all()


def test_a_negative_zero_survives():
    kspace = np.full((1, 1, 2, 1), -0.0, np.complex64)
    kspace.imag = -0.0
    (image,) = run(Accumulate(), [readouts(kspace, [0, 1])], cartesian((1, 2, 1)))
    assert image.data.numpy().tobytes() == kspace.tobytes()


def test_lines_stand_at_matrix_half_minus_centre():
    limits = {"kspace_encode_step_1": (0, 105, 54)}
    kspace = random_kspace((1, 1, 144, 4))
    block = readouts(kspace, np.arange(18, 124), shift=(0, 18))
    assert block.head["idx"]["kspace_encode_step_1"][[0, -1]].tolist() == [0, 105]
    (image,) = run(Accumulate(), [block], cartesian((4, 144, 1), limits=limits))
    assert np.flatnonzero(image.sampled[0, 0, 0, 0].numpy()).tolist() == list(range(18, 124))
    assert torch.equal(image.data[0, 0, 0, 0, 0, 18:124], torch.from_numpy(kspace[0, 0, 18:124]))
    assert not image.data[0, 0, 0, 0, 0, :18].any()


def test_a_line_outside_the_matrix_is_named():
    limits = {"kspace_encode_step_1": (0, 7, 0)}
    block = readouts(random_kspace((1, 1, 8, 2)), range(8))
    with pytest.raises(
        DataError, match=r"kspace_encode_step_1 = 4 .* index 8, outside the matrix of 8 lines"
    ):
        run(Accumulate(), [block], cartesian((2, 8, 1), limits=limits))


def test_without_limits_the_centre_is_half_the_matrix_and_the_notes_say_so():
    kspace = random_kspace((1, 1, 6, 2))
    (image,) = run(Accumulate(), [readouts(kspace, range(6))], cartesian((2, 6, 1), limits={}))
    assert image.data[0, 0, 0].numpy().tobytes() == kspace.tobytes()
    assert image.notes["ScansideCenterAssumed"] == "k1 = 3: no limits in the header"


def test_averages_are_averaged_and_counted_line_by_line():
    first, second = random_kspace((2, 1, 4, 3), 1), random_kspace((2, 1, 4, 3), 2)
    blocks = [readouts(second, [1, 2], average=1), readouts(first, range(4), average=0)]
    (image,) = run(Accumulate(), [join(blocks)], cartesian((3, 4, 1)))
    assert image.sampled[0, 0, 0, 0].tolist() == [1, 2, 2, 1]
    data = image.data[0, 0, 0].numpy()
    assert data[:, :, [0, 3]].tobytes() == first[:, :, [0, 3]].tobytes()
    np.testing.assert_allclose(data[:, :, 1:3], ((first + second) / 2)[:, :, 1:3], rtol=1e-6)


def test_segments_are_merged():
    kspace = random_kspace((1, 1, 6, 2))
    blocks = [readouts(kspace, range(at, 6, 2), segment=at) for at in range(2)]
    (image,) = run(Accumulate(), blocks, cartesian((2, 6, 1)))
    assert image.data[0, 0, 0].numpy().tobytes() == kspace.tobytes()


def test_every_other_counter_makes_an_image_of_its_own():
    kspace = random_kspace((1, 1, 4, 2))
    counters = ("slice", "contrast", "phase", "repetition", "set")
    blocks = [readouts(kspace, range(4))] + [readouts(kspace, range(4), **{name: 1}) for name in counters]
    found = images(run(Accumulate(), [join(blocks)], cartesian((2, 4, 1))))
    assert [[int(one.head["idx"][name].item()) for name in counters] for one in found] == [
        [int(name == counter) for name in counters] for counter in (None, *counters)
    ]


def test_the_head_is_that_of_the_line_nearest_to_the_centre():
    kspace = random_kspace((1, 1, 8, 2))
    limits = {"kspace_encode_step_1": (0, 7, 4)}
    block = join([readouts(kspace, [7, 5, 3, 1])])
    (image,) = run(Accumulate(), [block], cartesian((2, 8, 1), limits=limits, acceleration=(2, 1)))
    assert image.head.shape == (1, 1, 1)
    assert image.head["idx"]["kspace_encode_step_1"].item() == 3
    assert image.head["acquisition_time_stamp"].item() == 2


def test_notes_and_the_domain_of_the_readout_are_carried():
    block = readouts(random_kspace((1, 1, 2, 2)), [0, 1], transformed=True)
    noted = type(block)(head=block.head, data=block.data, transformed=True, notes={"ScansideNoise": "none"})
    (image,) = run(Accumulate(), [noted], cartesian((2, 2, 1)))
    assert image.transformed
    assert image.notes == {"ScansideNoise": "none"}


def test_inputs_are_not_written_into():
    block, scan = accelerated(averages=2)
    before = block.data.copy(), block.head.copy()
    run(Accumulate(), [block], scan)
    assert (block.data == before[0]).all()
    assert (block.head == before[1]).all()


def test_a_late_line_is_refused_by_the_name_of_its_image():
    block, scan = full(repetitions=2, slices=3)
    late = take(block, [5])
    with pytest.raises(DataError, match="line k1 = 5 of slice 0, repetition 0 came after the image"):
        run(Accumulate(), [block, late], scan)


def test_a_line_that_comes_twice_is_refused():
    block = readouts(random_kspace((1, 1, 4, 2)), [0, 1, 1], slice=2)
    for blocks in ([block], cut(block, [2])):
        with pytest.raises(DataError, match=r"slice 2, .* index k1 = 1, k2 = 0 .* twice with average 0"):
            run(Accumulate(), blocks, cartesian((2, 4, 1)))


def test_a_changed_number_of_channels_or_samples_is_refused():
    blocks = [readouts(random_kspace((8, 1, 4, 4)), [0, 1, 2])]
    scan = cartesian((4, 4, 1))
    with pytest.raises(DataError, match="readout 3 of encoding space 0 has 6 coils, the ones before had 8"):
        run(Accumulate(), [*blocks, readouts(random_kspace((6, 1, 4, 4)), [3])], scan)
    with pytest.raises(DataError, match="readout 3 of encoding space 0 has 2 samples, the ones before had 4"):
        run(Accumulate(), [*blocks, readouts(random_kspace((8, 1, 4, 2)), [3])], scan)


def test_encoding_spaces_have_matrices_and_channels_of_their_own():
    small, large = random_kspace((2, 1, 4, 2)), random_kspace((3, 1, 6, 2))
    one, two = cartesian((2, 4, 1)), cartesian((2, 6, 1))
    scan = type(one)(encodings=one.encodings + two.encodings)
    blocks = [readouts(small, [0, 1]), readouts(large, range(6), encoding=1), readouts(small, [2, 3])]
    found = run(Accumulate(), blocks, scan)
    assert [(item.encoding, tuple(item.data.shape[3:])) for item in found] == [
        (1, (3, 1, 6, 2)),
        (0, (2, 1, 4, 2)),
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"trajectory": "radial"}, "Cartesian readouts, but encoding space 0 has a radial trajectory"),
        ({"multiband": 2}, "multiband 2 of encoding space 0 is not supported"),
    ],
)
def test_other_trajectories_and_multiband_are_refused_by_name(header, message):
    block = readouts(random_kspace((1, 1, 4, 2)), [0])
    with pytest.raises(DataError, match=message):
        run(Accumulate(), [block], cartesian((2, 4, 1), **header))


def test_a_matrix_that_no_scanner_has_is_refused_before_memory_is_taken():
    block = readouts(random_kspace((1, 1, 4, 2)), [0])
    with pytest.raises(DataError, match="more than 2147483648 in all"):
        run(Accumulate(), [block], cartesian((2, 60000, 60000)))


def test_an_empty_scan_gives_nothing():
    assert run(Accumulate(), [], cartesian((2, 4, 1))) == []


def test_the_gadget_says_what_it_takes_and_gives():
    taken, given_ = Accumulate.signature()
    assert [kind.__name__ for kind in taken] == ["Block"]
    assert set(given_) == {Kspace, Reference, Text}
