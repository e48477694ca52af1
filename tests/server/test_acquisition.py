import numpy as np
import pytest

from gadgets.data import Block, Noise
from gadgets.head import Flag
from models.simulation.sampling import Sampling, plan
from models.simulation.scan import Protocol, simulate
from server.acquisition import DAY, channel_mask, describe, heads, noise_heads
from server.simulate import runs, truth
from server.wire.readouts import split


def protocol(**changes):
    fields = {
        name: changes.pop(name)
        for name in ("columns", "coils", "start", "noise_readouts", "echo")
        if name in changes
    }
    return Protocol(**({"columns": 12, "coils": 3} | fields), sampling=Sampling(**({"lines": 16} | changes)))


def made(**changes):
    one = protocol(**changes)
    return one, heads(one, plan(one.sampling))


def having(head, flag):
    return np.flatnonzero(head["flags"] & np.uint64(flag)).tolist()


def test_the_last_line_of_each_slice_and_repetition_is_flagged():
    _, head = made(slices=2, repetitions=2, averages=2)
    assert having(head, Flag.FIRST_IN_SLICE) == [0, 32, 64, 96]
    assert having(head, Flag.LAST_IN_SLICE) == [31, 63, 95, 127]
    assert having(head, Flag.LAST_IN_REPETITION) == [63, 127]
    assert having(head, Flag.FIRST_IN_ENCODE_STEP1) == list(range(0, 128, 16))
    assert having(head, Flag.LAST_IN_MEASUREMENT) == [127]


def test_interleaved_slices_end_one_after_the_other():
    _, head = made(slices=3, slice_order="interleaved", repetitions=2)
    assert having(head, Flag.LAST_IN_SLICE) == [45, 46, 47, 93, 94, 95]
    assert head["idx"]["slice"][[45, 46, 47]].tolist() == [0, 1, 2]


@pytest.mark.parametrize("order", ["centric", "random", "interleaved"])
def test_the_flags_follow_the_order_of_acquisition(order):
    _, head = made(order=order, acceleration=2, reference_lines=4)
    assert having(head, Flag.FIRST_IN_SLICE) == [0]
    assert having(head, Flag.LAST_IN_SLICE) == [len(head) - 1]


def test_embedded_reference_lines_on_the_grid_also_image():
    _, head = made(acceleration=2, reference_lines=4)
    lines = head["idx"]["kspace_encode_step_1"]
    assert lines[having(head, Flag.PARALLEL_CALIBRATION_AND_IMAGING)].tolist() == [6, 8]
    assert lines[having(head, Flag.PARALLEL_CALIBRATION)].tolist() == [7, 9]


def test_separate_reference_lines_end_no_slice():
    _, head = made(acceleration=2, reference_lines=4, calibration="separate")
    assert having(head, Flag.PARALLEL_CALIBRATION) == [0, 1, 2, 3]
    assert having(head, Flag.FIRST_IN_SLICE) == [4]
    assert having(head, Flag.LAST_IN_SLICE) == [11]


def test_partial_fourier_counts_lines_from_the_first_acquired_and_names_the_centre():
    one, head = made(partial_fourier=0.75)
    limit = describe(one, "x").encoding().limits["kspace_encode_step_1"]
    assert head["idx"]["kspace_encode_step_1"].tolist() == list(range(12))
    assert (limit.minimum, limit.maximum, limit.center) == (0, 11, 4)


def test_time_stamps_go_on_behind_the_noise_and_begin_again_at_midnight():
    one, head = made(start=86399.99, noise_readouts=2)
    noise = noise_heads(one)
    stamps = np.concatenate([noise["acquisition_time_stamp"], head["acquisition_time_stamp"]]).tolist()
    assert stamps[:6] == [DAY - 4, DAY - 2, 0, 2, 4, 6]
    assert noise["scan_counter"].tolist() + head["scan_counter"].tolist() == list(range(18))


def test_the_geometry_is_a_stack_about_the_isocentre():
    _, head = made(slices=3)
    axes = np.stack([head[name][0] for name in ("read_dir", "phase_dir", "slice_dir")])
    assert np.array_equal(axes, np.eye(3))
    assert np.unique(head["position"][:, 2]).tolist() == pytest.approx([-6, 0, 6])


def test_the_header_says_what_is_sent():
    one = protocol(acceleration=3, reference_lines=6, slices=2, repetitions=4, averages=2)
    encoding = describe(one, "x").encoding()
    assert (encoding.encoded.matrix, encoding.recon.matrix) == ((24, 16, 1), (12, 16, 1))
    assert encoding.encoded.fov[0] == pytest.approx(2 * encoding.recon.fov[0])
    assert (encoding.acceleration, encoding.calibration) == ((3, 1), "embedded")
    assert [encoding.limits[name].size for name in ("slice", "repetition", "average")] == [2, 4, 2]
    assert describe(one, "x").parameters["EmbeddedRefLinesE1"] == 6
    assert describe(one, "x").noise_bandwidth == 1


def test_a_slab_says_its_partitions_and_flags_their_ends():
    one, head = made(partitions=4, acceleration=2, acceleration_z=2, reference_lines=4, repetitions=2)
    encoding = describe(one, "x").encoding()
    limit = encoding.limits["kspace_encode_step_2"]
    assert (limit.minimum, limit.maximum, limit.center) == (0, 3, 2)
    assert encoding.encoded.matrix == (24, 16, 4)
    assert encoding.recon.fov[2] == pytest.approx(0.75 * 0.012)
    assert (encoding.acceleration, encoding.calibration) == ((2, 2), "embedded")
    ends = having(head, Flag.LAST_IN_ENCODE_STEP1)
    assert head["idx"]["kspace_encode_step_2"][ends].tolist() == [0, 1, 2, 3] * 2
    assert having(head, Flag.LAST_IN_ENCODE_STEP2) == having(head, Flag.LAST_IN_SLICE) == [27, 55]
    assert np.unique(head["position"][:, 2]).tolist() == pytest.approx([-0.375 * 12 / 4])
    parameters = describe(one, "x").parameters
    assert (parameters["EmbeddedRefLinesE1"], parameters["EmbeddedRefLinesE2"]) == (4, 4)


def test_an_asymmetric_echo_says_how_long_it_is_and_where_its_centre_lies():
    one = protocol(echo=0.75, columns=16)
    head = heads(one, plan(one.sampling))
    assert set(head["number_of_samples"].tolist()) == {24}
    assert set(head["center_sample"].tolist()) == {8}
    assert set(noise_heads(one)["number_of_samples"].tolist()) == {32}
    limit = describe(one, "x").encoding().limits["kspace_encode_step_0"]
    assert (limit.minimum, limit.maximum, limit.center) == (0, 23, 8)


def test_the_channel_mask_has_a_bit_for_every_channel():
    assert channel_mask(3).tolist() == [7] + [0] * 15
    assert channel_mask(70).tolist() == [2**64 - 1, 63] + [0] * 14


def test_noise_comes_first_and_every_readout_has_its_header():
    one = protocol(acceleration=2, reference_lines=4, noise_readouts=5, repetitions=2)
    simulation = simulate(one)
    items = [item for run in runs(simulation) for item in split(run)]
    assert isinstance(items[0], Noise)
    assert len(items[0].head) == 5
    assert all(isinstance(item, Block) for item in items[1:])
    for item in items:
        assert item.data.shape == (len(item.head), 3, 24)
        assert set(item.head["number_of_samples"].tolist()) == {24}
    assert items[0].head["sample_time_us"][0] == pytest.approx(8)
    assert items[1].head["sample_time_us"][0] == pytest.approx(5)


def test_the_truth_has_units():
    known = truth(simulate(protocol(slices=2, repetitions=3)))
    shapes = {name: each.values.shape for name, each in known.items()}
    assert shapes == {
        "image": (2, 16, 12),
        "object": (2, 16, 12),
        "intensity": (3,),
        "sensitivities": (2, 3, 16, 12),
        "noise_covariance": (3, 3),
    }
    assert all(each.units and each.description for each in known.values())
