"""An image whose lines are sheared (CAIPIRINHA) leaves with its last line, with no flag that says so."""

import numpy as np
import pytest

from gadgets.data import Kspace
from gadgets.kspace.accumulate import Accumulate
from gadgets.testing import cartesian, cut, cut_at_random, join, random_kspace, readouts

MATRIX = (4, 14, 6)
KSPACE = random_kspace((2, 6, 14, 4))
ORDERS = ("k1 first", "k2 first", "at random")


def sheared(steps, shift, order, along=1):
    """The lines (k2, k1) of a lattice that moves by ``shift`` from row to row, as they are acquired."""
    k2, k1 = np.meshgrid(np.arange(6), np.arange(14), indexing="ij")
    row, column = (k2, k1) if along == 1 else (k1, k2)
    rows, columns = steps if along == 1 else steps[::-1]
    chosen = (row % rows == 0) & ((column - shift * (row // rows)) % columns == 0)
    lines = np.stack([k2[chosen], k1[chosen]], 1)
    if order == "k2 first":
        lines = lines[np.lexsort((lines[:, 0], lines[:, 1]))]
    return np.random.default_rng(3).permutation(lines) if order == "at random" else lines


def left_after(blocks, scan):
    """How many readouts had come when each image left."""
    received, left = 0, []

    def stream():
        nonlocal received
        for block in blocks:
            received += len(block.head)
            yield block

    for item in Accumulate().process(stream(), scan):
        if isinstance(item, Kspace):
            left.append(received)
    return left


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("steps", "shift", "along"),
    [((2, 2), 1, 1), ((1, 3), 1, 1), ((3, 1), 1, 0), ((3, 2), 0, 1), ((2, 3), 2, 1)],
)
def test_each_image_leaves_with_its_last_line(steps, shift, along, order):
    scan = cartesian(MATRIX, acceleration=steps[::-1], calibration="separate")
    lines = sheared(steps, shift, order, along)
    block = join(readouts(KSPACE, lines[:, 1], lines[:, 0], repetition=number) for number in range(3))
    assert left_after(cut(block, range(len(block.head))), scan) == [
        len(lines) * (number + 1) for number in range(3)
    ]


def test_what_leaves_does_not_depend_on_cuts():
    scan = cartesian(MATRIX, acceleration=(2, 2), calibration="separate")
    lines = sheared((2, 2), 1, "at random")
    block = join(readouts(KSPACE, lines[:, 1], lines[:, 0], repetition=number) for number in range(3))
    for blocks in ([block], *(cut_at_random(block, seed) for seed in range(5))):
        images = [item for item in Accumulate().process(iter(blocks), scan) if isinstance(item, Kspace)]
        assert len(images) == 3
        for image in images:
            expected = np.zeros_like(KSPACE)
            expected[:, lines[:, 0], lines[:, 1]] = KSPACE[:, lines[:, 0], lines[:, 1]]
            np.testing.assert_array_equal(image.data[0, 0, 0].numpy(), expected)


def test_a_line_off_the_lattice_makes_it_wait_for_the_end():
    scan = cartesian(MATRIX, acceleration=(2, 2), calibration="separate")
    lines = np.concatenate([[(2, 7), (2, 8)], sheared((2, 2), 1, "k1 first")])
    lines = np.unique(lines, axis=0)
    block = readouts(KSPACE, lines[:, 1], lines[:, 0])
    later = readouts(KSPACE, [7], [3])
    assert left_after([block, later], scan) == [len(lines) + 1]
