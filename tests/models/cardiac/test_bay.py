"""Papillary muscles that lean on the wall belong to the cavity; walls that are thick do not."""

import numpy as np
import pytest

from models.cardiac.bay import without_bays
from models.cardiac.regions import hull

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2
AWAY, ANGLE = np.hypot(Y, X), np.arctan2(Y, X)


def leaning(angle, radius):
    """A papillary muscle that has grown together with the wall, a sixth of the circle wide."""
    away = np.remainder(ANGLE - angle + np.pi, 2 * np.pi) - np.pi
    return (np.abs(away) < 0.58) & (0.5 * radius < AWAY)


@pytest.mark.parametrize("radius", [8, 12, 20])
@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
def test_papillary_muscles_that_lean_on_the_wall_are_blood(radius, turn):
    cavity = radius >= AWAY
    blood = cavity & ~leaning(turn, radius) & ~leaning(turn + 2.0, radius)
    seen = hull(blood)
    found = without_bays(seen, (radius + 6 >= AWAY) & ~seen)
    assert seen.sum() < 0.94 * cavity.sum()
    assert found.sum() == pytest.approx(cavity.sum(), rel=0.03)


@pytest.mark.parametrize("aspect", [1.0, 0.8, 0.6])
@pytest.mark.parametrize("radius", [8, 12, 22])
def test_an_ellipse_stays_as_it_is(aspect, radius):
    cavity = np.hypot(Y, X / aspect) <= radius
    found = without_bays(cavity, (np.hypot(Y, X / aspect) <= radius + 6) & ~cavity)
    assert found.sum() <= 1.02 * cavity.sum()


def test_a_septum_that_is_thick_for_a_quarter_of_the_circle_stays_thick():
    """Septal hypertrophy, which a fifth of a circle does not hold; flat, as a convex cavity shows it."""
    cavity = (AWAY <= 18) & (-18 * np.cos(np.pi / 4) < X)
    found = without_bays(cavity, (AWAY <= 28) & ~cavity)
    assert found.sum() <= 1.01 * cavity.sum()


@pytest.mark.parametrize("wall", [3, 4, 6])
@pytest.mark.parametrize("half", [0.5, 0.63, 0.75])
def test_a_septum_that_the_right_ventricle_presses_flat_stays_muscle(half, wall):
    """Seen: a septum of three pixels was opened."""
    flat = 20 * np.cos(half)
    cavity = (AWAY <= 20) & (-flat <= X)
    whole = (20 + wall >= AWAY) & (-flat - wall <= X)
    np.testing.assert_array_equal(without_bays(cavity, whole & ~cavity), cavity)


def test_rough_outlines_gain_little():
    """Three quarters of a pixel of roughness, one way and the other."""
    random = np.random.default_rng(3)
    before = after = 0
    for _ in range(20):
        waves = (random.normal(0, 0.25) * np.cos(n * ANGLE + random.uniform(0, 6.3)) for n in range(3, 12))
        cavity = hull(16 + sum(waves) >= AWAY)
        before += cavity.sum()
        after += without_bays(cavity, (AWAY <= 24) & ~cavity).sum()
    assert after <= 1.02 * before


def test_where_the_wall_does_not_go_all_the_way_round_the_outline_stays():
    radius = 14
    blood = hull((radius >= AWAY) & ~leaning(0.5, radius))
    wall = (radius + 6 >= AWAY) & ~blood & (np.abs(ANGLE) < 2.0)
    np.testing.assert_array_equal(without_bays(blood, wall), blood)
    assert not without_bays(np.zeros_like(blood), wall).any()
