"""Reference lines: set apart, early, and the same from every way in which they can be acquired."""

import numpy as np
import pytest
import torch

from gadgets.data import Kspace, Reference
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.kspace.accumulate import Accumulate
from gadgets.testing import cartesian, cut, flag, join, random_kspace, readouts, run

MATRIX = (2, 12, 1)
ONLY = Flag.PARALLEL_CALIBRATION
BOTH = Flag.PARALLEL_CALIBRATION_AND_IMAGING
KSPACE = random_kspace((2, 1, 12, 2))


def header(mode, step=2, matrix=MATRIX, **rest):
    return cartesian(matrix, acceleration=(step, 1), calibration=mode, **rest)


def embedded(kspace=KSPACE, **counters):
    """R = 2 over 12 lines in ascending order; lines 4 to 8 are reference lines."""
    flags = {4: BOTH, 5: ONLY, 6: BOTH, 7: ONLY, 8: BOTH}
    acquired = [0, 2, 4, 5, 6, 7, 8, 10]
    return join(readouts(kspace, [k1], flags=flags.get(k1, 0), **counters) for k1 in acquired)


def names(items):
    return [type(item).__name__ for item in items]


def received_at(blocks, scan):
    """(name of the item, readouts received when it left), readouts sent one by one."""
    received, left = 0, []

    def stream():
        nonlocal received
        for block in blocks:
            for part in cut(block, range(len(block.head))):
                received += 1
                yield part

    for item in Accumulate().process(stream(), scan):
        left.append((type(item).__name__, received))
    return left


def test_a_fully_sampled_scan_has_no_reference():
    assert names(run(Accumulate(), [readouts(KSPACE, range(12))], cartesian(MATRIX))) == ["Kspace"]


def test_embedded_lines_calibrate_and_stand_in_the_image():
    reference, image = run(Accumulate(), [embedded()], header("embedded"))
    assert (reference.first, reference.shape, reference.slice) == ((0, 4), (1, 12, 2), 0)
    assert torch.equal(reference.data, torch.from_numpy(KSPACE[:, :, 4:9]))
    acquired = [0, 2, 4, 5, 6, 7, 8, 10]
    assert np.flatnonzero(image.sampled[0, 0, 0, 0].numpy()).tolist() == acquired
    assert torch.equal(image.data[0, 0, 0][:, :, acquired], torch.from_numpy(KSPACE[:, :, acquired]))


@pytest.mark.parametrize("mode", ["separate", "external", "interleaved", "other"])
def test_in_other_modes_calibration_lines_stay_out_of_the_image(mode):
    reference, image = run(Accumulate(), [embedded()], header(mode))
    assert torch.equal(reference.data, torch.from_numpy(KSPACE[:, :, 4:9]))
    assert np.flatnonzero(image.sampled[0, 0, 0, 0].numpy()).tolist() == [0, 2, 4, 6, 8, 10]


def test_separate_lines_may_repeat_imaging_lines():
    other = random_kspace((2, 1, 12, 2), seed=1)
    blocks = [readouts(other, range(3, 9), flags=ONLY), readouts(KSPACE, range(0, 12, 2))]
    reference, image = run(Accumulate(), blocks, header("separate"))
    assert torch.equal(reference.data, torch.from_numpy(other[:, :, 3:9]))
    assert torch.equal(image.data[0, 0, 0][:, :, ::2], torch.from_numpy(KSPACE[:, :, ::2]))


def test_embedded_lines_beside_a_grid_without_flags_take_its_lines_along():
    blocks = [readouts(KSPACE, [5, 7], flags=ONLY), readouts(KSPACE, range(0, 12, 2))]
    reference, _ = run(Accumulate(), blocks, header("embedded"))
    assert reference.first == (0, 5)
    assert torch.equal(reference.data, torch.from_numpy(KSPACE[:, :, 5:8]))


def test_the_reference_leaves_with_the_last_line_that_the_header_counts():
    scan = header("embedded", parameters={"EmbeddedRefLinesE1": 5})
    assert received_at([embedded()], scan) == [("Reference", 7), ("Kspace", 8)]


def test_the_reference_leaves_with_a_last_flag_among_its_lines():
    calibration = flag(readouts(KSPACE, range(4, 9), flags=ONLY), 4, Flag.LAST_IN_SLICE)
    blocks = [calibration, readouts(KSPACE, range(0, 12, 2))]
    assert received_at(blocks, header("separate")) == [("Reference", 5), ("Kspace", 11)]


def test_the_reference_leaves_at_the_latest_before_the_first_image_of_its_slice():
    blocks = [flag(embedded(slice=at), 7, Flag.LAST_IN_SLICE) for at in range(2)]
    expected = [("Reference", 8), ("Kspace", 8), ("Reference", 16), ("Kspace", 16)]
    assert received_at(blocks, header("embedded")) == expected


def test_reference_lines_alone_leave_at_the_end():
    (reference,) = run(Accumulate(), [readouts(KSPACE, range(4, 9), flags=ONLY)], header("separate"))
    assert torch.equal(reference.data, torch.from_numpy(KSPACE[:, :, 4:9]))


def test_a_wrong_count_in_the_header_costs_no_reference_line():
    scan = header("embedded", parameters={"EmbeddedRefLinesE1": 9})
    reference, _ = run(Accumulate(), [embedded()], scan)
    assert reference.data.shape[2] == 5


def test_the_first_frame_calibrates_and_the_others_only_if_asked_for():
    frames = [random_kspace((2, 1, 12, 2), seed) for seed in range(3)]
    blocks = [
        flag(embedded(frame, repetition=number), 7, Flag.LAST_IN_SLICE) for number, frame in enumerate(frames)
    ]
    items = run(Accumulate(), blocks, header("embedded"))
    assert names(items) == ["Reference", "Kspace", "Kspace", "Kspace"]
    for image, frame in zip(items[1:], frames, strict=True):
        assert torch.equal(image.data[0, 0, 0][:, :, 4:9], torch.from_numpy(frame[:, :, 4:9]))
    items = run(Accumulate(calibrate="each"), blocks, header("embedded"))
    assert names(items) == ["Reference", "Kspace"] * 3
    assert torch.equal(items[4].data, torch.from_numpy(frames[2][:, :, 4:9]))


def test_repeated_reference_lines_are_averaged():
    other = random_kspace((2, 1, 12, 2), seed=1)
    blocks = [
        readouts(one, range(4, 9), flags=ONLY, average=number) for number, one in enumerate((KSPACE, other))
    ]
    (reference,) = run(Accumulate(), blocks, header("separate"))
    np.testing.assert_allclose(reference.data.numpy(), ((KSPACE + other) / 2)[:, :, 4:9], rtol=1e-6)


def test_of_scattered_reference_lines_the_run_at_the_centre_is_taken():
    blocks = [readouts(KSPACE, [0, 1, 2, 5, 6, 7, 10], flags=ONLY), readouts(KSPACE, range(0, 12, 2))]
    reference, _ = run(Accumulate(), blocks, header("separate"))
    assert (reference.first, reference.data.shape) == ((0, 5), (2, 1, 3, 2))


def test_a_hole_among_embedded_reference_lines_is_a_gap():
    blocks = [readouts(KSPACE, [3, 5, 9], flags=ONLY), readouts(KSPACE, range(0, 12, 2))]
    with pytest.raises(DataError, match="1 of 7 lines missing: k1 = 7"):
        run(Accumulate(), blocks, header("embedded"))


def test_a_late_calibration_line_is_refused_only_where_it_belongs_to_the_image():
    image, late = readouts(KSPACE, range(0, 12, 2)), readouts(KSPACE, [5], flags=ONLY)
    assert names(run(Accumulate(), [image, late], header("separate"))) == ["Kspace", "Reference"]
    ended = flag(image, 5, Flag.LAST_IN_SLICE)
    with pytest.raises(DataError, match="line k1 = 5 of slice 0, repetition 0 came after the image"):
        run(Accumulate(), [ended, late], header("embedded"))


def interleaved_frames(number, step=3):
    frames = [random_kspace((2, 1, 12, 2), seed) for seed in range(number)]
    blocks = [readouts(frame, range(at % step, 12, step), repetition=at) for at, frame in enumerate(frames)]
    return frames, blocks


def test_interleaved_frames_wait_for_their_union_and_later_ones_do_not():
    frames, blocks = interleaved_frames(5)
    left = received_at(blocks, header("interleaved", step=3))
    assert left == [("Reference", 12), *[("Kspace", 12)] * 3, ("Kspace", 16), ("Kspace", 20)]
    reference, *images = run(Accumulate(), blocks, header("interleaved", step=3))
    assert (reference.first, reference.data.shape) == ((0, 0), (2, 1, 12, 2))
    for k1 in range(12):
        assert torch.equal(reference.data[:, :, k1], torch.from_numpy(frames[k1 % 3][:, :, k1]))
    assert [int(image.head["idx"]["repetition"].item()) for image in images] == list(range(5))


def test_the_interleaved_counter_is_the_headers():
    kspace = random_kspace((1, 1, 12, 2))
    blocks = [readouts(kspace, range(at, 12, 2), phase=at, slice=1) for at in range(2)]
    scan = header("interleaved", interleaving="phase")
    reference, *images = run(Accumulate(), blocks, scan)
    assert reference.slice == 1
    assert torch.equal(reference.data, torch.from_numpy(kspace))
    assert len(images) == 2


def test_frames_without_a_union_leave_at_the_end_without_a_reference():
    _, blocks = interleaved_frames(2)
    assert received_at(blocks, header("interleaved", step=3)) == [("Kspace", 8)] * 2


def test_frames_that_never_interleave_are_not_kept_back_for_ever():
    blocks = [readouts(KSPACE, range(0, 12, 3), repetition=at) for at in range(8)]
    left = received_at(blocks, header("interleaved", step=3))
    assert left == [("Kspace", 24)] * 6 + [("Kspace", 28), ("Kspace", 32)]


def test_flagged_lines_go_before_interleaving():
    blocks = [flag(embedded(repetition=at), 7, Flag.LAST_IN_SLICE) for at in range(2)]
    items = run(Accumulate(), blocks, header("interleaved"))
    assert names(items) == ["Reference", "Kspace", "Kspace"]


def test_in_three_dimensions_the_region_is_a_rectangle():
    kspace = random_kspace((1, 6, 8, 2))
    k2, k1 = (index.reshape(-1) for index in np.mgrid[2:5, 3:7])
    grid2, grid1 = (index.reshape(-1) for index in np.mgrid[0:6:2, 0:8:2])
    blocks = [readouts(kspace, k1, k2, flags=ONLY), readouts(kspace, grid1, grid2)]
    scan = cartesian((2, 8, 6), acceleration=(2, 2), calibration="separate")
    items = run(Accumulate(), blocks, scan)
    reference = next(item for item in items if isinstance(item, Reference))
    image = next(item for item in items if isinstance(item, Kspace))
    assert (reference.first, reference.shape) == ((2, 3), (6, 8, 2))
    assert torch.equal(reference.data, torch.from_numpy(kspace[:, 2:5, 3:7]))
    assert int(image.sampled.sum()) == 12


def test_interleaved_frames_calibrate_anew_each_time_they_fill_kspace():
    frames, blocks = interleaved_frames(7)
    items = run(Accumulate(calibrate="each"), blocks, header("interleaved", step=3))
    image, reference = "Kspace", "Reference"
    assert names(items) == [reference, *[image] * 3, *[image] * 2, reference, image, image]
    for k1 in range(12):
        assert torch.equal(items[6].data[:, :, k1], torch.from_numpy(frames[3 + k1 % 3][:, :, k1]))
