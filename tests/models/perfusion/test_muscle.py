"""Where the right ventricle inserts."""

import math

import pytest
import torch

from models.perfusion.muscle import FREE_WALL, insertions


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
