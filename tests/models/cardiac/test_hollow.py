"""Papillary muscles that fill half of a slice belong to the cavity; what a wall does itself stays."""

import numpy as np
import pytest

from models.cardiac.hollow import without_hollows
from models.cardiac.ventricle import CAVITY, MUSCLE

SIDE, SLICES = 72, 9
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2
AWAY, ANGLE = np.hypot(Y, X), np.arctan2(Y, X)
HEIGHT = np.arange(SLICES) / SLICES


def ventricle(radius, wall=7.0):
    """Labels [slice, y, x] of half an ellipsoid, from base to apex."""
    inner = radius * np.sqrt(1 - HEIGHT**2)
    return tube(np.broadcast_to(inner[:, None, None], (SLICES, SIDE, SIDE)), wall + inner)


def tube(inner, outer):
    """Labels of a cavity to ``inner`` [slice, y, x] in a heart to ``outer`` [slice]."""
    labels = np.where(outer[:, None, None] >= AWAY, MUSCLE, 0)
    return np.where(inner >= AWAY, CAVITY, labels).astype(np.uint8)


def leaning(labels, slices, half, reach):
    """The same with muscle from ``reach`` of the radius on, over ``half`` each way."""
    out = labels.copy()
    for index in slices:
        radius = np.sqrt((labels[index] == CAVITY).sum() / np.pi)
        away = np.abs(np.remainder(ANGLE - 0.4 + np.pi, 2 * np.pi) - np.pi)
        out[index][(labels[index] == CAVITY) & (away < half) & (reach * radius < AWAY)] = MUSCLE
    return out


def volume(labels):
    return float((labels == CAVITY).sum())


@pytest.mark.parametrize("radius", [9, 12, 16])
@pytest.mark.parametrize("half", [0.6, 1.2, 1.9])
@pytest.mark.parametrize("reach", [0.3, 0.6])
def test_muscle_that_begins_and_ends_within_the_ventricle_is_blood(radius, half, reach):
    full, small = ventricle(20), ventricle(radius)
    seen = leaning(small, (3, 4, 5), half, reach)
    found = without_hollows(np.stack([full, seen]))
    np.testing.assert_array_equal(found[0], full)
    assert volume(found[1]) <= volume(small) * 1.01
    assert volume(small) - volume(found[1]) < 0.35 * (volume(small) - volume(seen))
    np.testing.assert_array_equal(found[1] > 0, small > 0)


@pytest.mark.parametrize("half", [0.6, 1.9])
def test_what_end_diastole_shows_too_is_a_wall(half):
    """A wall that is thick in the middle of the ventricle."""
    full, small = (leaning(ventricle(radius), (3, 4, 5), half, 0.6) for radius in (20, 12))
    beat = np.stack([full, small])
    np.testing.assert_array_equal(without_hollows(beat), beat)


def test_a_ventricle_that_closes_in_its_middle_is_narrow_there():
    """Seen in hypertrophic hearts: an hourglass at end-systole, round a cavity that is narrow all round."""
    small = ventricle(14)
    inner = 14 * np.sqrt(1 - HEIGHT**2) * np.where(np.isin(np.arange(SLICES), (3, 4)), 0.6, 1)
    narrow = tube(np.broadcast_to(inner[:, None, None], small.shape), 21 * np.sqrt(1 - HEIGHT**2) + 2)
    beat = np.stack([ventricle(20), narrow])
    np.testing.assert_array_equal(without_hollows(beat), beat)


@pytest.mark.parametrize("radius", [7, 11, 16])
@pytest.mark.parametrize("taper", [0.5, 1.0, 2.0])
def test_a_convex_cavity_stays_as_it_is(radius, taper):
    inner = radius * (1 - HEIGHT**2) ** (taper / 2)
    moment = tube(np.broadcast_to(inner[:, None, None], (SLICES, SIDE, SIDE)), inner + 6)
    beat = np.stack([ventricle(20), moment])
    assert volume(without_hollows(beat)[1]) <= 1.01 * volume(moment)


def test_slices_that_lie_askew_and_rough_outlines_gain_little():
    """Breath-holds put slices 3 pixels apart; outlines are rough by three quarters of a pixel."""
    random = np.random.default_rng(5)
    before = after = 0.0
    for _ in range(10):
        inner = np.stack(
            [
                each
                + sum(
                    random.normal(0, 0.25) * np.cos(n * ANGLE + random.uniform(0, 6.3)) for n in range(3, 12)
                )
                for each in 13 * np.sqrt(1 - HEIGHT**2)
            ]
        )
        moment = tube(inner, 20 * np.sqrt(1 - HEIGHT**2) + 2)
        moment = np.stack([np.roll(each, random.integers(-3, 4, 2), (0, 1)) for each in moment])
        before += volume(moment)
        after += volume(without_hollows(np.stack([ventricle(20), moment]))[1])
    assert after <= 1.02 * before


def test_without_a_ring_of_muscle_nothing_is_filled():
    full, seen = ventricle(20), leaning(ventricle(12), (3, 4, 5), 1.2, 0.3)
    open_ = np.where((np.abs(ANGLE) > 2.5) & (seen == MUSCLE), 0, seen)
    for beat in (
        np.stack([full, open_]),
        np.zeros_like(np.stack([full, seen])),
        np.stack([full, seen])[:, :2],
    ):
        np.testing.assert_array_equal(without_hollows(beat), beat)
