"""The left ventricle is found whatever else was labelled."""

import numpy as np

from models.cardiac.tidy import CAVITY, MUSCLE, rounded, tidy


def disc(radius, centre=(32, 32), side=64):
    y, x = np.indices((side, side))
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def ventricle(radius):
    return np.where(disc(radius), CAVITY, np.where(disc(radius + 4), MUSCLE, 0)).astype(np.uint8)


def test_a_larger_atrium_above_the_base_takes_nothing_from_the_ventricle():
    """Found on a simulated stack: the whole heart was lost."""
    heart = np.stack([ventricle(radius) for radius in (12, 11, 9, 6)])
    atrium = np.where(disc(18, (18, 46)), CAVITY, 0).astype(np.uint8)
    found = tidy(np.concatenate([atrium[None], heart]))
    np.testing.assert_array_equal(found[1:], heart)
    assert not found[0].any()


def test_a_stomach_with_a_thick_wall_below_the_apex_is_no_ventricle():
    """Found on the same stack, in two phases of six."""
    heart = np.stack([ventricle(radius) for radius in (9, 8, 6, 4)])
    wall = disc(22, (40, 20)) & ~disc(12, (40, 20))
    stomach = np.where(wall, MUSCLE, np.where(disc(12, (40, 20)), CAVITY, 0)).astype(np.uint8)
    found = tidy(np.concatenate([heart, stomach[None]]))
    np.testing.assert_array_equal(found[:4], heart)


def test_order_does_not_matter():
    heart = np.stack([ventricle(radius) for radius in (12, 11, 9, 6)])
    np.testing.assert_array_equal(tidy(heart[::-1])[::-1], tidy(heart))


def test_an_organ_that_leans_on_the_wall_is_cut_off_and_an_ellipse_stays_whole():
    y, x = np.mgrid[:96, :96]
    oval = np.hypot((y - 48) / 1.0, (x - 48) / 0.65) < 24
    cavity = np.hypot((y - 48) / 1.0, (x - 48) / 0.6) < 14
    assert (rounded(oval, cavity) == oval).all()
    liver = (np.abs(x - 48) < 10) & (y > 68) & (y < 94)
    kept = rounded(oval | liver, cavity)
    assert (kept & oval).sum() == oval.sum()
    assert (kept & liver & ~oval).sum() < 0.3 * (liver & ~oval).sum()


def test_the_right_ventricle_ends_with_the_left_one():
    labels = np.zeros((4, 64, 64), np.uint8)
    y, x = np.mgrid[:64, :64]
    labels[:, np.hypot(y - 32, x - 12) < 9] = 3
    labels[1:, np.hypot(y - 32, x - 32) < 12] = 2
    labels[1:, np.hypot(y - 32, x - 32) < 8] = 1
    assert [bool((each == 3).any()) for each in tidy(labels)] == [False, True, True, True]
