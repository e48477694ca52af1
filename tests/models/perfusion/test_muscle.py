"""Where the right ventricle inserts."""

import math

import pytest
import torch

from models.perfusion.muscle import FREE_WALL, insertions, septum


def test_insertions_lie_beyond_the_blood_by_the_free_wall():
    pixel = 0.0015
    y, x = torch.meshgrid(torch.arange(96) - 48.0, torch.arange(96) - 48.0, indexing="ij")
    radius, angle = (y.square() + x.square()).sqrt(), torch.atan2(y, x)
    whole = radius < 18
    right = (radius >= 19) & (radius < 26) & (angle.abs() < 1.0)
    ends = insertions(right, whole, (48.0, 48.0), pixel)
    reach = 1.0 + FREE_WALL / (20 * pixel)
    found = sorted(math.atan2(each[0] - 48, each[1] - 48) for each in ends)
    assert found == pytest.approx([-reach, reach], abs=0.06)


def test_the_septum_lies_between_the_insertions_however_far_it_goes():
    middle = (20.0, 30.0)
    for first, arc in ((-2.4, 1.3), (2.0, 2.5), (0.3, 3.6)):
        ends = tuple((20 + 9 * math.sin(each), 30 + 9 * math.cos(each)) for each in (first, first + arc))
        y, x = septum(middle, ends)
        half = first + arc / 2
        assert (y, x) == pytest.approx((20 + 9 * math.sin(half), 30 + 9 * math.cos(half)))
