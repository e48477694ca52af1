"""Circumferential strain of rings whose lengths are known."""

import numpy as np
import pytest

from models.cardiac.strain import circumferential, length
from models.cardiac.tidy import CAVITY, MUSCLE
from tests.models.cardiac.test_function import beat, section


@pytest.mark.parametrize("radius", [4, 6, 10, 20])
@pytest.mark.parametrize("longer", [1.0, 1.2])
def test_the_length_of_an_outline_is_that_of_the_ellipse(radius, longer):
    y, x = np.mgrid[:80, :80]
    a, b = radius * longer, radius / longer
    turn = np.linspace(0, 2 * np.pi, 1000)
    known = np.hypot(np.diff(a * np.cos(turn)), np.diff(b * np.sin(turn))).sum()
    found = [
        length(((y - 40 - dy) / a) ** 2 + ((x - 40 - dx) / b) ** 2 <= 1)
        for dy, dx in np.random.default_rng(0).uniform(-0.5, 0.5, (20, 2))
    ]
    assert np.mean(found) == pytest.approx(known, rel=0.015)


def test_strain_is_the_change_of_the_rings_lengths():
    labels, scales = beat()
    inner, middle = circumferential(labels, 0)
    assert inner == pytest.approx(scales - 1, abs=0.015)
    radii = np.array([16, 17, 17, 15, 12, 8])
    known = [(scale * radii + 3).sum() / (radii + 3).sum() - 1 for scale in scales]
    assert middle == pytest.approx(known, abs=0.01)
    assert inner[0] == middle[0] == 0


def test_it_is_measured_from_end_diastole_wherever_that_is():
    labels, scales = beat()
    inner, _ = circumferential(labels, 4)
    assert inner == pytest.approx(scales / scales[4] - 1, abs=0.02)


def test_a_slice_that_the_base_leaves_in_systole_does_not_count():
    labels, _ = beat()
    whole = circumferential(labels[:, 2:], 0)[0]
    labels[3:6, 1] = 0
    assert circumferential(labels, 0)[0] == pytest.approx(whole)


def test_a_ring_that_keeps_its_muscle_shortens_less_in_its_middle():
    before, then = section(16, 6.0), section(11, np.sqrt(11**2 + 22**2 - 16**2) - 11)
    inner, middle = circumferential(np.stack([before[None], then[None]]), 0)
    assert (before == MUSCLE).sum() == pytest.approx((then == MUSCLE).sum(), rel=0.02)
    assert inner[1] == pytest.approx(11 / 16 - 1, abs=0.02)
    assert inner[1] < middle[1] < 0


def test_without_a_ring_there_is_none():
    labels = np.zeros((3, 2, 20, 20), np.uint8)
    labels[:, :, 5:9, 5:9] = CAVITY
    assert [len(each) for each in circumferential(labels, 0)] == [0, 0]
