"""When an image leaves: each rule of the trigger, and what is said about lines that never came."""

import numpy as np
import pytest

from gadgets.data import Kspace, Text
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.kspace.accumulate import Accumulate
from gadgets.testing import cartesian, cut, flag, join, random_kspace, readouts, run, take

MATRIX = (2, 8, 1)
KSPACE = random_kspace((1, 1, 8, 2))
NO_LIMITS = {"kspace_encode_step_2": (0, 0, 0)}
R3 = {"limits": {"kspace_encode_step_1": (0, 7, 4)}, "acceleration": (3, 1)}


def left_after(blocks, scan, **parameters):
    """(number of readouts received, counters) of each image, readouts sent one by one."""
    received, left = 0, []

    def stream():
        nonlocal received
        for block in blocks:
            for part in cut(block, range(len(block.head))):
                received += 1
                yield part

    for item in Accumulate(**parameters).process(stream(), scan):
        if isinstance(item, Kspace):
            idx = item.head["idx"][0, 0, 0]
            left.append((received, int(idx["slice"]), int(idx["repetition"])))
    return left


def lines(k1, last=None, **counters):
    block = readouts(KSPACE, k1, **counters)
    return block if last is None else flag(block, len(block.head) - 1, last)


def test_an_image_leaves_on_its_slices_last_flag():
    blocks = [lines(range(8), Flag.LAST_IN_SLICE, slice=at) for at in range(3)]
    scan = cartesian(MATRIX, limits=NO_LIMITS)
    assert left_after(blocks, scan) == [(8, 0, 0), (16, 1, 0), (24, 2, 0)]


def test_interleaved_slices_leave_each_on_its_own_last_line():
    order = np.arange(24).reshape(3, 8).T.reshape(-1)
    for limits in (None, NO_LIMITS):
        blocks = [lines(range(8), Flag.LAST_IN_SLICE, slice=at) for at in range(3)]
        block = take(join(blocks), order)
        assert left_after([block], cartesian(MATRIX, limits=limits)) == [(22, 0, 0), (23, 1, 0), (24, 2, 0)]


def test_an_image_leaves_with_the_last_line_that_the_header_promises():
    centric = [4, 3, 5, 2, 6, 1, 7, 0]
    blocks = [lines(centric, slice=at, repetition=rep) for rep in range(2) for at in range(2)]
    expected = [(8, 0, 0), (16, 1, 0), (24, 0, 1), (32, 1, 1)]
    for trigger in ("slice", "phase", "repetition", "set", "contrast"):
        assert left_after(blocks, cartesian(MATRIX), trigger=trigger) == expected


def test_the_greatest_index_alone_ends_nothing():
    blocks = [lines([7, 6, 5, 0]), lines([1, 2, 3, 4])]
    assert left_after(blocks, cartesian(MATRIX)) == [(8, 0, 0)]


def test_with_acceleration_the_grid_of_the_first_line_is_expected():
    scan = cartesian(MATRIX, calibration="separate", **R3)
    assert left_after([lines([1, 7, 4]), lines([0, 3, 6], repetition=1)], scan) == [(3, 0, 0), (6, 0, 1)]


def test_averages_that_are_still_to_come_are_waited_for_even_past_a_last_flag():
    limits = {"kspace_encode_step_1": (0, 7, 4), "average": (0, 1, 0)}
    blocks = [lines(range(8), Flag.LAST_IN_SLICE, average=average) for average in range(2)]
    assert left_after(blocks, cartesian(MATRIX, limits=limits)) == [(16, 0, 0)]


def test_without_flags_and_limits_an_image_leaves_when_its_slice_begins_a_new_repetition():
    scan = cartesian(MATRIX, limits=NO_LIMITS)
    blocks = [lines(range(8), slice=at, repetition=rep) for rep in range(2) for at in range(2)]
    expected = [(17, 0, 0), (25, 1, 0), (32, 0, 1), (32, 1, 1)]
    assert left_after(blocks, scan, trigger="repetition") == expected


def test_without_flags_and_limits_everything_leaves_at_the_end():
    scan = cartesian(MATRIX, limits=NO_LIMITS)
    blocks = [lines(range(8), slice=at) for at in range(2)]
    assert left_after(blocks, scan) == [(16, 0, 0), (16, 1, 0)]


def test_an_image_with_uncounted_reference_lines_leaves_when_its_slice_is_left_without_a_gap():
    scan = cartesian(MATRIX, calibration="embedded", **R3)
    blocks = []
    for at in range(2):
        blocks += [
            readouts(KSPACE, [0, 6], slice=at),
            readouts(KSPACE, [3], flags=Flag.PARALLEL_CALIBRATION_AND_IMAGING, slice=at),
            readouts(KSPACE, [2, 4], flags=Flag.PARALLEL_CALIBRATION, slice=at),
        ]
    assert left_after(blocks, scan) == [(6, 0, 0), (10, 1, 0)]
    interleaved = take(join(blocks), np.arange(10).reshape(2, 5).T.reshape(-1))
    assert left_after([interleaved], scan) == [(10, 0, 0), (10, 1, 0)]


def test_the_last_flag_takes_siblings_along_only_when_they_have_no_gap():
    limits = {"kspace_encode_step_1": (0, 7, 4), "average": (0, 0, 0)}
    scan = cartesian(MATRIX, limits=limits, acceleration=(2, 1), calibration="embedded")
    whole, partial = lines([0, 2, 4, 6], slice=1), lines([0, 2], slice=2)
    own = lines([0, 2, 4, 6], Flag.LAST_IN_REPETITION)
    blocks = [whole, partial, own, lines([4, 6], slice=2)]
    assert left_after(blocks, scan, trigger="repetition") == [(10, 0, 0), (10, 1, 0), (12, 2, 0)]


def test_the_last_flag_of_the_measurement_ends_what_has_no_gap():
    scan = cartesian(MATRIX, calibration="embedded", limits=R3["limits"], acceleration=(2, 1))
    blocks = [
        lines([0, 2, 4, 6], slice=1),
        lines([0, 2, 4, 6], Flag.LAST_IN_MEASUREMENT),
        lines([1], phase=1),
    ]
    assert left_after(blocks[:2], scan) == [(8, 0, 0), (8, 1, 0)]


def test_the_last_flag_of_a_mere_calibration_line_ends_no_image():
    scan = cartesian(MATRIX, calibration="embedded", **R3)
    flagged = flag(readouts(KSPACE, [2, 3, 4], flags=Flag.PARALLEL_CALIBRATION), 2, Flag.LAST_IN_SLICE)
    assert left_after([flagged, lines([0, 3, 6])], scan) == [(6, 0, 0)]


def test_a_gap_is_an_error_that_names_the_lines():
    block = flag(readouts(KSPACE, [0, 1, 3, 4, 7], slice=2), 4, Flag.LAST_IN_SLICE)
    with pytest.raises(DataError, match=r"slice 2, repetition 0: 3 of 8 lines missing: k1 = 2, 5, 6$"):
        run(Accumulate(), [block], cartesian(MATRIX))


def test_a_gap_is_an_image_with_a_mark_and_a_warning_when_that_is_asked_for():
    block = flag(readouts(KSPACE, [0, 1, 3, 4, 5, 6, 7]), 6, Flag.LAST_IN_SLICE)
    text, image = run(Accumulate(incomplete="mark"), [block], cartesian(MATRIX))
    assert text == Text(text="slice 0, repetition 0: 1 of 8 lines missing: k1 = 2", level="warning")
    assert image.notes["ScansideIncomplete"] == text.text
    assert not image.data[..., 2, :].any()
    assert image.sampled[..., 2].item() == 0


def test_missing_lines_are_named_by_their_counters():
    scan = cartesian((2, 8, 1), limits={"kspace_encode_step_1": (0, 3, 2)})
    block = readouts(KSPACE, [2, 5], shift=(0, 2))
    with pytest.raises(DataError, match=r"2 of 4 lines missing: k1 = 1, 2$"):
        run(Accumulate(), [block], scan)


def test_at_the_end_of_a_scan_what_lacks_lines_is_an_error():
    with pytest.raises(DataError, match="5 of 8 lines missing: k1 = 3, 4, 5, 6, 7"):
        run(Accumulate(), [lines(range(3))], cartesian(MATRIX))


def test_a_new_repetition_of_an_image_that_lacks_lines_is_an_error():
    blocks = [lines([0, 1, 2, 3, 4, 6, 7]), lines(range(8), repetition=1)]
    with pytest.raises(DataError, match="slice 0, repetition 0: 1 of 8 lines missing: k1 = 5"):
        run(Accumulate(trigger="repetition"), blocks, cartesian(MATRIX))


def test_partial_fourier_is_no_gap():
    limits = {"kspace_encode_step_1": (0, 4, 1)}
    (image,) = run(
        Accumulate(), [readouts(KSPACE, range(3, 8), shift=(0, 3))], cartesian(MATRIX, limits=limits)
    )
    assert image.sampled[0, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
