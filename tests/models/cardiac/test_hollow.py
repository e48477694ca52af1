"""Papillary muscles that fill half of a slice belong to the cavity; what a wall does itself stays."""

import numpy as np
import pytest

from models.cardiac.hollow import without_hollows
from models.cardiac.ventricle import CAVITY, MUSCLE

SIDE, SLICES = 72, 9
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2
AWAY, ANGLE = np.hypot(Y, X), np.arctan2(Y, X)
HEIGHT = np.arange(SLICES) / SLICES


FULL = 20.0
"""Radius of the cavity at end-diastole."""

SHORTER = 1.18
"""By how much more muscle a slice has at end-systole, when the long axis is shorter."""


def ventricle(radius, wall=7.0):
    """Labels [slice, y, x] of half an ellipsoid, from base to apex; its muscle is that of end-diastole, when
    it is ``wall`` thick (a number or [slice, y, x])."""
    profile = np.sqrt(1 - HEIGHT**2)[:, None, None]
    muscle = (FULL * profile + wall) ** 2 - (FULL * profile) ** 2
    more = 1.0 if radius == FULL else SHORTER
    return tube(radius * profile, np.sqrt((radius * profile) ** 2 + more * muscle))


def tube(inner, outer):
    """Labels of a cavity to ``inner`` in a heart to ``outer``, [slice, y, x] or what goes with it."""
    shape = SLICES, SIDE, SIDE
    labels = np.where(np.broadcast_to(outer, shape) >= AWAY, MUSCLE, 0)
    return np.where(np.broadcast_to(inner, shape) >= AWAY, CAVITY, labels).astype(np.uint8)


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
    full, small = ventricle(FULL), ventricle(radius)
    seen = leaning(small, (3, 4, 5), half, reach)
    found = without_hollows(np.stack([full, seen]))
    np.testing.assert_array_equal(found[0], full)
    assert volume(found[1]) <= volume(small) * 1.01
    assert volume(small) - volume(found[1]) < 0.35 * (volume(small) - volume(seen))
    np.testing.assert_array_equal(found[1] > 0, small > 0)


def test_muscle_that_leans_on_a_wall_in_slices_that_are_a_little_narrower_is_blood():
    """Seen: with one pixel less all round nothing was filled."""
    inner = 12 - 1.0 * np.isin(np.arange(SLICES), (3, 4, 5))[:, None, None]
    outer = np.sqrt(inner**2 + SHORTER * (27**2 - 20**2))
    small = tube(inner, outer)
    seen = leaning(small, (3, 4, 5), 1.2, 0.3)
    full = tube(np.full((SLICES, 1, 1), FULL), np.full((SLICES, 1, 1), FULL + 7))
    found = without_hollows(np.stack([full, seen]))[1]
    assert volume(seen) < 0.93 * volume(small)
    assert volume(found) == pytest.approx(volume(small), rel=0.04)


@pytest.mark.parametrize("half", [0.6, 1.9])
def test_what_end_diastole_shows_too_is_a_wall(half):
    """A wall that is thick in the middle of the ventricle, and bulges into the cavity."""
    full, small = (leaning(ventricle(radius), (3, 4, 5), half, 0.6) for radius in (FULL, 12))
    beat = np.stack([full, small])
    np.testing.assert_array_equal(without_hollows(beat), beat)


def side(half=1.0):
    """1 on one side of the heart, 0 on the other, [y, x]."""
    return 1 / (1 + np.exp((np.abs(ANGLE) - half) * 16))


def among(*slices):
    return np.isin(np.arange(SLICES), slices)[:, None, None]


@pytest.mark.parametrize("thick", [3, 6, 9])
@pytest.mark.parametrize("slices", [(2, 3, 4, 5), (3, 4)])
def test_a_septum_that_is_thick_outwards_leaves_a_round_cavity_round(thick, slices):
    """Seen: the thick wall pulls the heart's middle away from the cavity's, more so at end-systole."""
    wall = 7 + thick * side() * among(*slices)
    full, small = ventricle(FULL, wall), ventricle(12, wall)
    found = without_hollows(np.stack([full, small]))[1]
    assert volume(small) <= volume(found) <= 1.01 * volume(small)


@pytest.mark.parametrize("still", [(0, 1), (6, 7, 8), (0, 1, 6, 7, 8)])
def test_healthy_slices_beside_an_infarct_keep_their_thick_wall(still):
    """A part of the wall that does not move: the slices beside it contract, and look hollow."""
    profile = np.sqrt(1 - HEIGHT**2)[:, None, None]
    inner = (12 + (FULL - 12) * side(0.8) * among(*still)) * profile
    muscle = (FULL * profile + 7) ** 2 - (FULL * profile) ** 2
    small = tube(inner, np.sqrt(inner**2 + SHORTER * muscle))
    found = without_hollows(np.stack([ventricle(FULL), small]))[1]
    assert volume(small) <= volume(found) <= 1.01 * volume(small)


def test_no_phase_becomes_fuller_than_end_diastole():
    """Seen: papillary muscles at end-diastole are cavity by another rule, and the next phase became it."""
    full, small = leaning(ventricle(FULL), (3, 4, 5), 1.2, 0.92), ventricle(19.8)
    beat = np.stack([full, leaning(small, (3, 4, 5), 1.2, 0.72)])
    found = without_hollows(beat)
    cavities = (found == CAVITY).sum((2, 3))
    assert (cavities[1] <= cavities[0]).all()
    np.testing.assert_array_equal(found[0], full)


def test_a_ventricle_that_closes_in_its_middle_is_narrow_there():
    """An hourglass at end-systole, narrow all round."""
    profile = np.sqrt(1 - HEIGHT**2)[:, None, None]
    inner = 14 * profile * np.where(among(3, 4), 0.6, 1)
    narrow = tube(
        inner, np.sqrt((14 * profile) ** 2 + 1.3 * ((FULL * profile + 7) ** 2 - (FULL * profile) ** 2))
    )
    beat = np.stack([ventricle(FULL), narrow])
    np.testing.assert_array_equal(without_hollows(beat), beat)


@pytest.mark.parametrize("radius", [7, 11, 16])
@pytest.mark.parametrize("taper", [0.5, 1.0, 2.0])
def test_a_convex_cavity_stays_as_it_is(radius, taper):
    inner = radius * (1 - HEIGHT**2) ** (taper / 2)
    moment = tube(inner[:, None, None], inner[:, None, None] + 9)
    beat = np.stack([ventricle(FULL), moment])
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
        moment = tube(inner, (20 * np.sqrt(1 - HEIGHT**2) + 2)[:, None, None])
        moment = np.stack([np.roll(each, random.integers(-3, 4, 2), (0, 1)) for each in moment])
        before += volume(moment)
        after += volume(without_hollows(np.stack([ventricle(FULL), moment]))[1])
    assert after <= 1.02 * before


def test_without_a_ring_of_muscle_nothing_is_filled():
    full, seen = ventricle(FULL), leaning(ventricle(12), (3, 4, 5), 1.2, 0.3)
    open_ = np.where((np.abs(ANGLE) > 2.5) & (seen == MUSCLE), 0, seen)
    for beat in (
        np.stack([full, open_]),
        np.zeros_like(np.stack([full, seen])),
        np.stack([full, seen])[:, :2],
    ):
        np.testing.assert_array_equal(without_hollows(beat), beat)
