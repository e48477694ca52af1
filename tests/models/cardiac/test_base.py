"""Beyond the base of the left ventricle lies the atrium, and it looks like a ventricle."""

import numpy as np
import pytest

from models.cardiac.tidy import CAVITY, MUSCLE, tidy


def disc(radius, side=64):
    y, x = np.indices((side, side))
    return np.hypot(y - 32, x - 32) <= radius


def ring(radius, wall=4, share=1.0):
    """A section; of its wall only a share of the circumference."""
    y, x = np.indices((64, 64))
    there = np.arctan2(y - 32, x - 32) <= np.pi * (2 * share - 1)
    wall = disc(radius + wall) & there
    return np.where(disc(radius), CAVITY, np.where(wall, MUSCLE, 0)).astype(np.uint8)


HEART = np.stack([ring(radius) for radius in (12, 12, 11, 9, 6)])


@pytest.mark.parametrize("way", [1, -1])
def test_above_a_slice_whose_wall_is_open_there_is_no_ventricle(way):
    """Found on a real heart: two slices above the last ring an atrium was labelled whole."""
    open_, atrium = ring(12, share=0.3), ring(12)
    found = tidy(np.stack([atrium, open_, open_, *HEART])[::way])[::way]
    assert not found[:3].any()
    np.testing.assert_array_equal(found[3:], HEART)


@pytest.mark.parametrize("way", [1, -1])
def test_a_wide_and_thinly_walled_section_above_the_base_is_an_atrium(way):
    """Found on two real hearts, at end-systole: the base had gone down."""
    atrium = ring(15, wall=1.5)
    found = tidy(np.stack([atrium, atrium, *HEART])[::way])[::way]
    assert not found[:2].any()
    np.testing.assert_array_equal(found[2:], HEART)


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_a_slice_through_the_base_stays(share):
    part = ring(12, share=share)
    assert tidy(np.stack([part, *HEART]))[0].any()


def test_a_slice_without_a_ventricle_amid_it_is_no_base():
    heart = np.stack([ring(radius) for radius in (12, 12, 12, 12, 11, 10, 9, 8)])
    heart[3] = ring(12, share=0.3)
    found = tidy(heart)
    assert not found[3].any()
    np.testing.assert_array_equal(found[[0, 1, 2, 4, 5, 6, 7]], heart[[0, 1, 2, 4, 5, 6, 7]])


def test_the_few_slices_of_a_first_pass_lie_far_apart_and_stay():
    heart = np.stack([ring(15, wall=2), ring(11), ring(9)])
    assert (tidy(heart) > 0).any((1, 2)).all()
