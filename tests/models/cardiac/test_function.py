"""Volumes, mass and walls of stacks whose shapes are known."""

import math

import numpy as np
import pytest

from models.cardiac.function import curves, function, surface
from models.cardiac.gate import judge
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, steady, tidy
from models.cardiac.ventricle import apex_first
from models.cardiac.wall import by_segment, insertions, thickening, thickness

Y, X = np.mgrid[:80, :80]


def section(radius, wall=6.0, center=(40, 44), right=True):
    """Rings with a right ventricle at the left."""
    away = np.hypot(Y - center[0], X - center[1])
    labels = np.zeros(Y.shape, np.uint8)
    if right:
        labels[np.hypot(Y - center[0], X - center[1] + radius + wall) < 0.8 * radius + 4] = RIGHT
    labels[away < radius + wall] = MUSCLE
    labels[away < radius] = CAVITY
    return labels


def stack(scale=1.0, wall=6.0):
    radii = [0, 16, 17, 17, 15, 12, 8, 0]
    return np.stack(
        [section(scale * radius, wall) if radius else np.zeros_like(section(1)) for radius in radii]
    )


def beat(phases=8):
    scales = 1 - 0.3 * np.sin(np.pi * np.arange(phases) / phases)
    return np.stack([stack(scale) for scale in scales]), scales


def test_volumes_are_pixels_times_voxel_and_mass_is_that_of_the_wall():
    labels, _ = beat()
    found = function(labels, 0.02, rate=60.0, height=1.8, weight=80.0)
    assert found.left.edv == pytest.approx((labels[0] == CAVITY).sum() * 0.02)
    assert found.mass == pytest.approx((labels[0] == MUSCLE).sum() * 0.02 * 1.05)
    assert (found.left.ed, found.left.es) == (0, 4)
    assert found.left.output == pytest.approx(found.left.sv * 60 / 1000)
    assert found.left.ef == pytest.approx(1 - 0.7**2, abs=0.02)
    assert found.surface == pytest.approx(2.0)


def test_the_surface_is_unknown_without_height_or_weight():
    assert surface(1.8, None) is None
    assert surface(None, 80.0) is None


def test_tidying_leaves_a_good_stack_and_takes_away_what_is_no_heart():
    good = stack()
    assert (tidy(good) == good).mean() > 0.999  # corners of a circle of pixels
    bad = good.copy()
    bad[3, 2:8, 2:8] = CAVITY
    bad[3, 40, 44] = 0
    bad[4, 40, 44:46] = MUSCLE
    assert (tidy(bad) == good).mean() > 0.999


def test_a_base_without_muscle_around_it_has_no_left_ventricle():
    labels = stack()
    labels[1][(labels[1] == MUSCLE) & (X < 50)] = 0
    assert not np.isin(tidy(labels)[1], (CAVITY, MUSCLE)).any()


def test_steady_chances_of_a_closed_cycle_keep_their_mean():
    chances = np.random.default_rng(0).random((16, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(steady(chances).mean(0), chances.mean(0), rtol=1e-5)


def test_the_wall_of_a_ring_is_as_thick_as_it_is():
    labels = section(16)
    found = thickness(labels == CAVITY, labels == MUSCLE)
    np.testing.assert_allclose(found, 6, atol=1.2)
    assert found.mean() == pytest.approx(6, abs=0.1)


def test_thickness_is_given_for_all_sixteen_segments_whichever_end_comes_first():
    for order in (1, -1):
        labels = stack()[::order]
        found = by_segment(labels[::-1] if apex_first(labels) else labels, 2.0)
        assert sorted(found) == list(range(1, 17))
        assert all(abs(each - 12) < 1.5 for each in found.values())


def test_a_wall_that_grows_by_half_has_thickened_by_fifty_percent():
    diastole = np.stack([section(each, wall=6) for each in (18, 18, 17, 16, 15, 14)])
    systole = np.stack([section(each, wall=9) for each in (15, 15, 14, 13, 12, 11)])
    found = thickening(diastole, systole)
    assert sorted(found) == list(range(1, 17))
    assert all(abs(each - 50) < 20 for each in found.values())
    assert np.mean(list(found.values())) == pytest.approx(50, abs=8)


def test_an_apex_that_closes_or_balloons_moves_no_segment_to_another_slice():
    """End-diastole says which slices are apical, and a slice without a ring at end-systole does not count."""
    diastole = np.stack([section(each, wall=6) for each in (18, 18, 17, 16, 15, 14)])
    moving = [section(each, wall=9) for each in (15, 15, 14, 13)]
    closed = np.where(section(12, wall=9) == CAVITY, MUSCLE, section(12, wall=9)).astype(np.uint8)
    found = thickening(diastole, np.stack([*moving, closed, closed]))
    assert sorted(found) == list(range(1, 13))
    still = [section(each, wall=6) for each in (20, 21)]
    found = thickening(diastole, np.stack([*moving, *still]))
    assert all(abs(found[name]) < 20 for name in range(13, 17))
    assert all(abs(found[name] - 50) < 20 for name in range(1, 13))


def test_insertions_lie_where_the_right_ventricle_meets_the_left_one():
    anterior, inferior = insertions(section(16))
    assert anterior[0] < 40 < inferior[0]
    assert anterior[1] < 44
    assert insertions(section(16), up=(1.0, 0.0))[0] == inferior
    assert insertions(section(16, right=False)) is None


def test_a_good_stack_is_accepted_and_bad_ones_say_why():
    labels, _ = beat()
    assert judge(labels[0], curves(labels, 0.02), 0.05).accepted
    cases = {
        "no left ventricle": np.zeros_like(labels),
        "slices, expected": labels[:, 3:6],
        "first slice shows": labels[:, 2:],
        "ejection fraction": labels[:1].repeat(3, 0),
    }
    for reason, bad in cases.items():
        verdict = judge(bad[0], curves(bad, 0.02), 0.05)
        assert any(reason in each for each in verdict.reasons), (reason, verdict)
    lonely = np.where(labels == RIGHT, 0, labels).astype(np.uint8)
    assert "a right ventricle in 0 of 6 slices" in judge(lonely[0], curves(lonely, 0.02), 0.05).reasons[0]
    assert "differ by 0.60" in judge(labels[0], curves(labels, 0.02), 0.6).reasons[0]


@pytest.mark.parametrize(("cut", "accepted"), [(47, True), (54, False), (None, False)])
def test_a_stack_may_begin_with_a_slice_that_the_plane_of_the_valves_cuts(cut, accepted):
    """Two right-dilated hearts of sixty were refused: half rings at 51 % of the largest section."""
    labels = beat()[0][:, 1:]
    if cut:
        labels[:, 0][:, :, cut:] = 0
    areas = (labels[0] % RIGHT > 0).sum((1, 2))
    assert areas[0] > 0.5 * areas.max()
    verdict = judge(labels[0], curves(labels, 0.02), 0.05)
    assert verdict.accepted == accepted
    assert accepted or "the first slice shows" in verdict.reasons[0]


def test_no_cavity_has_no_ejection_fraction():
    assert math.isnan(function(np.zeros((2, 3, 8, 8), np.uint8), 1.0).left.ef)


@pytest.mark.parametrize(("change", "refused", "doubted"), [(0.2, 0, 0), (0.4, 0, 1), (0.6, 1, 0)])
def test_a_beat_in_which_half_of_the_muscle_goes_is_refused_and_two_fifths_are_doubted(
    change, refused, doubted
):
    """Two phases of a simulated stack had followed the stomach: EF 79 % in the place of 57 %."""
    labels, _ = beat()
    volumes = np.array([[150.0, 60.0], [110.0, 110.0 * (1 - change)], [150.0, 70.0]])
    verdict = judge(labels[0], volumes, 0.05)
    said = f"the muscle's volume changes by {change:.0%} in the beat"
    assert verdict.reasons.count(said) == refused
    assert verdict.doubts.count(said) == doubted
