import numpy as np
import pytest

from models.errors import SimulationError
from models.simulation.sampling import Sampling, plan


def test_a_full_scan_has_every_line_once():
    table = plan(Sampling(lines=10))
    assert table["k1"].tolist() == list(range(10))
    assert table["imaging"].all()
    assert not table["reference"].any()


@pytest.mark.parametrize("lines", [20, 21])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_accelerated_lines_are_counted_from_the_centre(lines, factor):
    table = plan(Sampling(lines=lines, acceleration=factor, reference_lines=6))
    expected = [k for k in range(lines) if (k - lines // 2) % factor == 0]
    assert table["k1"][table["imaging"]].tolist() == expected


def test_embedded_reference_lines_lie_in_the_centre_and_are_acquired_once():
    table = plan(Sampling(lines=20, acceleration=3, reference_lines=6))
    assert table["k1"][table["reference"]].tolist() == list(range(7, 13))
    assert len(np.unique(table["k1"])) == len(table)
    both = table["imaging"] & table["reference"]
    assert table["k1"][both].tolist() == [7, 10]


def test_separate_reference_lines_come_first_and_once():
    sampling = Sampling(
        lines=16,
        acceleration=2,
        reference_lines=4,
        calibration="separate",
        repetitions=2,
        slices=2,
        averages=3,
    )
    table = plan(sampling)
    assert table["reference"].sum() == 8
    assert table["reference"][:8].all()
    assert not (table["reference"] & table["imaging"]).any()
    assert table["imaging"].sum() == 8 * 2 * 2 * 3


def test_the_interleaved_pattern_moves_with_the_repetition_until_every_line_was_seen():
    sampling = Sampling(lines=18, acceleration=3, calibration="interleaved", repetitions=3)
    table = plan(sampling)
    for repetition in range(3):
        lines = table["k1"][table["repetition"] == repetition]
        assert ((lines.astype(int) - 9 - repetition) % 3 == 0).all()
    assert np.sort(table["k1"]).tolist() == list(range(18))


def test_partial_fourier_leaves_out_the_first_lines_only():
    table = plan(Sampling(lines=16, partial_fourier=0.75))
    assert table["k1"].tolist() == list(range(4, 16))


@pytest.mark.parametrize("order", ["linear", "centric", "interleaved", "random"])
def test_the_order_changes_only_the_order(order):
    table = plan(Sampling(lines=13, order=order, acceleration=2, reference_lines=4), seed=7)
    linear = plan(Sampling(lines=13, acceleration=2, reference_lines=4))
    fields = ["k1", "imaging", "reference"]
    assert sorted(table[fields].tolist()) == sorted(linear[fields].tolist())


def test_centric_begins_at_the_centre():
    table = plan(Sampling(lines=8, order="centric"))
    assert table["k1"].tolist() == [4, 3, 5, 2, 6, 1, 7, 0]


def test_interleaved_slices_take_turns_and_share_the_repetition_time():
    table = plan(Sampling(lines=4, slices=3, slice_order="interleaved", repetition_time=0.3))
    assert table["slice"].tolist() == [0, 1, 2] * 4
    assert np.diff(table["time"]) == pytest.approx(0.1)


def test_sequential_slices_follow_each_other_with_their_averages():
    table = plan(Sampling(lines=2, slices=2, averages=2, repetition_time=0.3))
    assert table["slice"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert table["average"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert np.diff(table["time"]) == pytest.approx(0.3)


def mask(sampling, kind="imaging", repetition=0):
    """The lines of one kind and repetition, [k2, k1]."""
    table = plan(sampling)
    found = np.zeros((sampling.partitions, sampling.lines), bool)
    rows = table[kind] & (table["repetition"] == repetition)
    found[table["k2"][rows], table["k1"][rows]] = True
    return found


def slab(**changes):
    return Sampling(**({"lines": 12, "reference_lines": 4} | changes))


@pytest.mark.parametrize("partitions", [8, 9])
def test_a_slab_is_accelerated_along_both_axes_from_the_centre(partitions):
    found = mask(slab(partitions=partitions, acceleration=3, acceleration_z=2))
    k2, k1 = np.indices(found.shape)
    assert np.array_equal(found, ((k1 - 6) % 3 == 0) & ((k2 - partitions // 2) % 2 == 0))


def test_caipirinha_moves_the_lines_from_partition_to_partition():
    found = mask(slab(partitions=8, acceleration=2, acceleration_z=2, caipi=1))
    acquired = {k2: np.flatnonzero(found[k2]) % 2 for k2 in range(8) if found[k2].any()}
    assert {k2: set(lines.tolist()) for k2, lines in acquired.items()} == {0: {0}, 2: {1}, 4: {0}, 6: {1}}
    assert found.sum() == 12 * 8 / 4


def test_the_reference_lines_of_a_slab_are_a_block_about_the_centre():
    sampling = Sampling(
        lines=16, partitions=10, acceleration=2, acceleration_z=2, reference_lines=6, reference_partitions=4
    )
    found = mask(sampling, "reference")
    expected = np.zeros_like(found)
    expected[3:7, 5:11] = True
    assert np.array_equal(found, expected)
    every = Sampling(lines=16, partitions=10, acceleration=2, reference_lines=6)
    assert np.array_equal(mask(every, "reference").sum(1), np.full(10, 6))


def test_the_interleaved_pattern_of_a_slab_sees_every_line_of_every_partition():
    sampling = Sampling(
        lines=9, partitions=4, acceleration=3, acceleration_z=2, calibration="interleaved", repetitions=6
    )
    total = sum(mask(sampling, repetition=repetition).astype(int) for repetition in range(6))
    assert np.array_equal(total, np.ones((4, 9)))


def test_centric_order_of_a_slab_goes_outwards():
    table = plan(Sampling(lines=8, partitions=6, order="centric"))
    radius = np.hypot((table["k2"].astype(int) - 3) / 6, (table["k1"].astype(int) - 4) / 8)
    assert (table["k2"][0], table["k1"][0]) == (3, 4)
    assert (np.diff(radius) > -1e-6).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"acceleration": 0}, "acceleration is 0"),
        ({"partial_fourier": 0.5}, "partial Fourier is 0.5"),
        ({"reference_lines": 17}, "17 reference lines"),
        ({"partitions": 4, "slices": 2, "acceleration": 1}, "4 partitions of 2 slices"),
        ({"partitions": 4, "acceleration_z": 5}, "acceleration 5 along z"),
        ({"partitions": 4, "caipi": 2}, "CAIPI shift 2, expected 0 to 1"),
        ({"partitions": 4, "reference_partitions": 5}, "5 reference partitions"),
    ],
)
def test_numbers_that_make_no_scan_are_refused(wrong, words):
    with pytest.raises(SimulationError, match=words):
        Sampling(**({"lines": 16, "reference_lines": 12, "acceleration": 2} | wrong))
