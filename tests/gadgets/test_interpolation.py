"""Weights between the samples of a cycle: exact for what is smooth, else straight lines."""

import numpy as np
import pytest

from gadgets.interpolation import TAPS, on_cycle, on_line

WANTED = np.arange(25) / 25


def value(place, wanted, known):
    index, weight = on_cycle(np.asarray(place), np.asarray(wanted))
    return (weight * known(np.asarray(place)[index])).sum(1)


@pytest.mark.parametrize("seed", range(4))
def test_parabolas_are_kept_where_samples_are_about_evenly_apart(seed):
    random = np.random.default_rng(seed)
    place = np.cumsum(random.uniform(0.8, 1.25, 16))
    place = (place - place[0]) / (place[-1] + 1)
    wanted = random.uniform(place[2], place[-3], 9)

    def parabola(at):
        return 2 - 3 * at + 5 * at**2

    np.testing.assert_allclose(value(place, wanted, parabola), parabola(wanted), atol=1e-12)


@pytest.mark.parametrize(
    ("place", "name"), [(np.arange(15) / 15, "even"), (np.array([0.1, 0.4, 0.8]), "few")]
)
def test_weights_sum_to_one_and_samples_stay(place, name):
    index, weight = on_cycle(place, place)
    np.testing.assert_allclose(weight.sum(1), 1)
    np.testing.assert_allclose((weight * (index == np.arange(len(place))[:, None])).sum(1), 1, atol=1e-6)


def test_motion_of_six_samples_a_period_loses_a_fifth_of_what_straight_lines_lose():
    place = np.arange(18) / 18
    index, weight = on_cycle(place, place + 0.5 / 18)

    def motion(at):
        return np.cos(2 * np.pi * 3 * at)

    cubic = np.abs((weight * motion(place[index])).sum(1) - motion(place + 0.5 / 18)).max()
    straight = np.abs((motion(place) + motion(place + 1 / 18)) / 2 - motion(place + 0.5 / 18)).max()
    assert cubic < 0.25 * straight
    np.testing.assert_allclose(np.sqrt((weight**2).sum(1)), 0.80, atol=0.005)


def test_the_last_samples_go_on_with_the_first():
    place = (np.arange(20) + 0.3) / 20
    index, weight = on_cycle(place, np.array([0.0, 0.01]))
    assert set(index[0]) == {18, 19, 0, 1}
    found = (weight * np.cos(2 * np.pi * place[index])).sum(1)
    np.testing.assert_allclose(found, np.cos(2 * np.pi * np.array([0.0, 0.01])), atol=2e-3)


def test_beside_a_gap_and_beside_samples_close_together_lines_are_straight():
    """Slopes from there would be those of noise, or of a beat that was not measured."""
    place = np.array([0.0, 0.05, 0.1, 0.15, 0.5, 0.55, 0.551, 0.601, 0.65, 0.7])
    _, weight = on_cycle(place, np.array([0.12, 0.3, 0.525, 0.58, 0.9]))
    assert not weight[:, [0, 3]].any()
    np.testing.assert_allclose(weight[1, 1:3], [0.2 / 0.35, 0.15 / 0.35])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_samples_give_straight_lines(count):
    place = np.arange(count) / count
    index, weight = on_cycle(place, WANTED)
    assert index.shape == weight.shape == (25, TAPS)
    assert (weight >= 0).all()
    np.testing.assert_allclose(weight.sum(1), 1)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_hardly_more_than_that_of_a_sample(seed):
    random = np.random.default_rng(seed)
    place = np.sort(random.uniform(0, 1, 14))
    _, weight = on_cycle(place, random.uniform(0, 1, 200))
    assert np.sqrt((weight**2).sum(1)).max() < 1.15


@pytest.mark.parametrize("moment", [0, 0.5, 3, 7.25, 9])
def test_on_a_line_weights_are_of_one_sum_and_exact_for_parabolas(moment):
    index, weight = on_line(np.arange(10.0), np.array([moment], float))
    assert weight.sum() == pytest.approx(1)
    assert (weight * index).sum() == pytest.approx(moment)
    if 1 <= moment <= 8:
        assert (weight * index**2).sum() == pytest.approx(moment**2)


@pytest.mark.parametrize("count", [2, 3])
def test_on_a_line_few_samples_give_straight_lines(count):
    index, weight = on_line(np.arange(count) * 2.0, np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose((weight * 2 * index).sum(1), [0.0, 0.5, 2.0])
    assert (weight >= 0).all()
