"""Beyond the base of the left ventricle lies the atrium, and it looks like a ventricle."""

import numpy as np
import pytest

from models.cardiac.base import beyond, holes, said, wavering
from models.cardiac.tidy import CAVITY, MUSCLE, left_tidy
from models.cardiac.ventricle import apex_first

Y, X = np.indices((96, 96))
AWAY, ANGLE = np.hypot(Y - 48, X - 48), np.arctan2(Y - 48, X - 48)
RADII = np.array([19, 17.5, 17, 16, 14, 11, 7])
WALL = 6.0
LATE = slice(9, 16)
"""Phases about end-systole, of 25."""


def ring(radius, wall=WALL, share=1.0):
    """A section; of its wall only a share of the circumference."""
    there = (radius + wall >= AWAY) & (np.pi * (2 * share - 1) >= ANGLE)
    return np.where(radius >= AWAY, CAVITY, np.where(there, MUSCLE, 0)).astype(np.uint8)


def beat(phases=25, base=(0.2, 1.6), share=1.0):
    """Labels [phase, slice, y, x] from base to apex. The first slice has its own contraction, as a part, and
    thickening [pixel], and muscle on a share of its circumference."""
    out = []
    for phase in range(phases):
        there = 0.5 - 0.5 * np.cos(2 * np.pi * phase / phases)
        first = ring(RADII[0] * (1 - base[0] * there), WALL + base[1] * there, share)
        out.append([first, *(ring(each * (1 - 0.3 * there), WALL + 3 * there) for each in RADII[1:])])
    return np.array(out)


def ordered(labels, way):
    return beyond(labels[:, ::way], way < 0)[:, ::way]


@pytest.mark.parametrize(("share", "way"), [(0.6, 1), (0.75, -1)])
def test_a_base_that_contracts_less_than_the_rest_stays_through_the_beat(share, way):
    """It was cut at end-systole only: 75 % of its circumference muscle, and an ejection fraction of 62 % for
    47.5 %."""
    assert not ordered(beat(share=share), way).any()
    assert not ordered(beat(2, share=share), way).any()


@pytest.mark.parametrize("below", [12, 14])
def test_a_base_above_a_thick_septum_stays(below):
    heart = beat(base=(0.2, 1.0))
    for phase, moment in enumerate(heart):
        moment[1] = ring(13 - 0.1 * min(phase, 25 - phase), below)
    assert not ordered(heart, 1).any()


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("count", [1, 2])
def test_where_the_base_goes_down_the_atrium_is_left_out_and_said(count, way):
    """Found on two real hearts, at end-systole: wide, and of a wall that had become thinner."""
    heart = beat()
    heart[:, 0] = heart[:, 1]
    heart[LATE, :count] = ring(20, 2.0)
    out = ordered(heart, way)
    expected = np.zeros_like(out)
    expected[LATE, :count] = True
    np.testing.assert_array_equal(out, expected)
    cavity = (heart == CAVITY).sum((2, 3))
    (words,) = said(out, cavity)
    share = count * (ring(20) == CAVITY).sum() / cavity[0].sum()
    assert "1, 2" in words if count == 2 else "slice 1 is" in words
    assert "7 of 25 phases" in words
    assert f"{share:.0%}" in words


def test_of_two_phases_each_counts():
    heart = beat(2)
    heart[1, 0] = ring(20, 2.0)
    assert np.argwhere(ordered(heart, 1)).tolist() == [[1, 0]]


def test_end_diastole_is_taken_as_it_was_found():
    heart = beat()
    heart[:, 0] = ring(24, 2.0)
    assert not ordered(heart, 1).any()
    assert said(ordered(heart, 1), (heart == CAVITY).sum((2, 3))) == ()


def test_one_phase_alone_cuts_nothing_and_one_alone_saves_nothing():
    """Of 25 phases the smallest volume is one: a whim there would be the ejection fraction."""
    heart, fallen, only = beat(), ring(20, 2.0), 12
    whim = heart.copy()
    whim[only, 0] = fallen
    assert not ordered(whim, 1).any()
    lasting = heart.copy()
    lasting[LATE, 0] = fallen
    lasting[only, 0] = heart[only, 0]
    assert ordered(lasting, 1)[only, 0]


@pytest.mark.parametrize("known", [True, False])
def test_above_slices_without_a_ventricle_lies_none_unless_end_diastole_shows_it(known):
    """Found on a real heart: two slices above the last ring an atrium was labelled whole."""
    heart = np.concatenate([np.zeros((25, 2, 96, 96), np.uint8), beat()], 1)
    heart[LATE, 0] = ring(9)
    if known:
        heart[0, 0] = ring(9)
    out = ordered(heart, 1)
    assert out[LATE, 0].all() != known
    assert not out[:, 2:].any()


def test_an_aneurysm_of_the_apex_is_no_atrium():
    """A ventricle thick in its middle: at end-systole its end cavities said that the apex was the base."""
    systole = [(10, 9), (9, 10), (7, 12), (4, 13), (3, 13), (3, 12), (11, 4), (12, 3)]
    diastole = [(16, 7), (15, 8), (13, 9), (11, 10), (9, 10), (8, 9), (10, 5), (11, 4)]
    heart = np.array([[ring(*each) for each in moment] for moment in (diastole, systole)])
    for way in (1, -1):
        assert apex_first(heart[0, ::way]) == (way < 0)
        assert not beyond(heart[:, ::way], apex_first(heart[0, ::way])).any()


@pytest.mark.parametrize("way", [1, -1])
def test_the_apex_is_looked_for_at_the_end_that_the_whole_stack_says(way):
    """Beyond the apex its muscle goes on, beyond the base none: wider end sections had it the other way."""
    rings = [ring(*each) for each in [(6, 3), (16, 6), (16, 6), (15, 6), (9, 4), (10, 4)]]
    cap = np.where(AWAY <= 11, MUSCLE, 0).astype(np.uint8)
    stack = np.array([cap, *rings, cap])[::way]
    for upwards in (None, way < 0):
        found = left_tidy(stack, upwards=upwards)[::way]
        assert [bool(each.any()) for each in found] == [False, *[True] * 7]


@pytest.mark.parametrize("there", [True, False])
def test_a_slice_that_end_systole_alone_has_or_has_not_is_said(there):
    """The smallest of 25 volumes is the one that lost a slice: 62 % for 47.5 %, whatever took it."""
    cavity = (beat() == CAVITY).sum((2, 3))
    assert wavering(cavity) == ()
    down = cavity.copy()
    down[LATE, 0] = 0
    assert wavering(down) == ()
    systole = int(cavity.sum(1).argmin())
    whim = down if there else cavity.copy()
    whim[systole, 0] = cavity[systole, 0] // 2 if there else 0
    whim[systole, 1] = 0 if there else cavity[systole, 1]
    words = wavering(whim)
    assert f"slice 1 has {'a' if there else 'no'} left ventricle at end-systole" in words[0]
    assert len(words) == 1 + there


def test_the_few_slices_of_a_first_pass_lie_far_apart_and_stay():
    heart = beat()[:, [0, 2, 3, 5]]
    heart[LATE, 0] = ring(24, 2.0)
    assert not ordered(heart, 1).any()


def test_a_slice_that_is_missing_between_others_is_said():
    """Seen in a real heart: a slice of 6 % of the volume was lost at end-systole, and nothing said so."""
    whole = np.array([[0, 90, 100, 80, 40, 0], [0, 60, 70, 50, 20, 0], [0, 50, 60, 40, 10, 0]])
    assert holes(whole) == ()
    lost = whole.copy()
    lost[2, 3] = 0
    (words,) = holes(lost)
    assert words.startswith("slice 4 has no left cavity at end-systole between slices that have one")
    assert f"{35 / 310:.0%} of the end-diastolic volume" in words
    lost[0, 2:4] = 0
    lost[0, 1] = 300
    assert len(holes(lost)) == 3
    assert holes(np.zeros((3, 4), int)) == ()
    assert holes(whole[:1]) == ()
