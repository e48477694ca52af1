import numpy as np
import pytest

from gadgets.head import Flag
from gadgets.readout.echo import AlignEcho
from gadgets.scan import Encoding, Scan, Space

MATRIX = 16


@pytest.fixture
def scan():
    space = Space(matrix=(MATRIX, 4, 1), fov=(0.2, 0.2, 0.01))
    return Scan(encodings=(Encoding(encoded=space, recon=space),))


def numbers(lines, samples):
    return np.arange(1, 1 + lines * 2 * samples, dtype=np.float32).reshape(lines, 2, samples)


def test_aligned_lines_pass_as_they_are(readouts, scan):
    block = readouts(numbers(3, MATRIX))
    assert AlignEcho().one(block, scan) is block


def test_an_unstated_centre_is_the_middle(readouts, scan):
    block = readouts(numbers(3, MATRIX), center_sample=0)
    assert AlignEcho().one(block, scan) is block


def test_a_reversed_line_is_turned_and_no_longer_flagged(readouts, scan):
    data = numbers(2, MATRIX)
    block = readouts(data, flags=[0, int(Flag.REVERSE | Flag.LAST_IN_SLICE)])
    out = AlignEcho().one(block, scan)
    assert np.array_equal(out.data[0], data[0])
    assert np.array_equal(out.data[1], data[1, :, ::-1])
    assert out.head["flags"].tolist() == [0, int(Flag.LAST_IN_SLICE)]
    assert int(block.head["flags"][1]) & Flag.REVERSE


@pytest.mark.parametrize(("reverse", "zero"), [(False, [0, 1, 15]), (True, [0, 14, 15])])
def test_samples_to_discard_count_in_time(readouts, scan, reverse, zero):
    flags = int(Flag.REVERSE) if reverse else 0
    block = readouts(numbers(1, MATRIX), discard_pre=2, discard_post=1, flags=flags)
    out = AlignEcho().one(block, scan)
    assert np.flatnonzero(out.data[0, 0] == 0).tolist() == zero
    assert out.head["discard_pre"].tolist() == out.head["discard_post"].tolist() == [0]


def test_an_asymmetric_echo_comes_to_lie_in_the_middle_of_the_matrix(readouts, scan):
    block = readouts(numbers(2, 12), center_sample=4)
    out = AlignEcho().one(block, scan)
    assert np.array_equal(out.data[..., 4:], block.data)
    assert np.all(out.data[..., :4] == 0)
    assert out.head["number_of_samples"].tolist() == [MATRIX] * 2
    assert out.head["center_sample"].tolist() == [MATRIX // 2] * 2
    assert out.notes["ScansideSampledX"] == (-0.5, 1.0)


def test_lines_of_differing_form_in_one_block_are_treated_each_as_alone(readouts, scan):
    data = numbers(4, 12)
    fields = {
        "center_sample": np.array([4, 5, 4, 5]),
        "discard_pre": np.array([0, 1, 0, 0]),
        "flags": np.array([0, 0, int(Flag.REVERSE), 0], np.uint64),
    }
    whole = AlignEcho().one(readouts(data, **fields), scan)
    for line in range(4):
        part = {name: value[line : line + 1] for name, value in fields.items()}
        alone = AlignEcho().one(readouts(data[line : line + 1], **part), scan)
        assert np.array_equal(whole.data[line : line + 1], alone.data)


def test_samples_around_the_matrix_are_cut_when_they_are_to_be_discarded(readouts, scan):
    block = readouts(numbers(1, 20), discard_pre=2, discard_post=2)
    out = AlignEcho().one(block, scan)
    assert np.array_equal(out.data, block.data[..., 2:18])
