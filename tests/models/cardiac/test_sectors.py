"""Segments and halves of a ring whose geometry is known."""

import pytest
import torch

from models.cardiac.sectors import endocardial, segments

SIZE, MIDDLE = 61, (30.0, 30.0)


def ring(inner=10.0, outer=20.0):
    y, x = torch.meshgrid(torch.arange(SIZE) - 30.0, torch.arange(SIZE) - 30.0, indexing="ij")
    radius = (y.square() + x.square()).sqrt()
    return (radius >= inner) & (radius < outer), radius < inner


def at(degrees, radius=15.0):
    """A point by its angle from the right, counter-clockwise as seen."""
    turn = torch.deg2rad(torch.tensor(float(degrees)))
    return 30 - radius * float(turn.sin()), 30 + radius * float(turn.cos())


def value(names, degrees):
    y, x = at(degrees)
    return int(names[round(y), round(x)])


ANTERIOR, RIGHT = at(120), at(180)
"""The right ventricle lies at the left of the picture; its anterior insertion is above."""


@pytest.mark.parametrize(("level", "first"), [("basal", 1), ("mid", 7)])
def test_six_segments_go_from_anterior_over_the_septum(level, first):
    names = segments(ring()[0], MIDDLE, ANTERIOR, RIGHT, level)
    assert [value(names, turn) for turn in (90, 150, 210, 270, 330, 30)] == list(range(first, first + 6))


def test_four_apical_segments_have_the_septal_one_in_the_middle_of_the_septum():
    names = segments(ring()[0], MIDDLE, ANTERIOR, RIGHT, "apical")
    assert [value(names, turn) for turn in (90, 180, 270, 0)] == [13, 14, 15, 16]


def test_a_mirrored_image_has_mirrored_segments():
    muscle = ring()[0]
    there = segments(muscle, MIDDLE, ANTERIOR, RIGHT, "mid")
    mirrored = segments(muscle, MIDDLE, at(60), at(0), "mid")
    apart = (there.flip(1) != mirrored)[muscle.flip(1) & muscle].float().mean()
    assert apart < 0.03


def test_segments_are_as_large_as_their_angles():
    names = segments(ring()[0], MIDDLE, ANTERIOR, RIGHT, "basal")
    sizes = torch.bincount(names.flatten().int())[1:].double()
    assert (sizes / sizes.mean() - 1).abs().max() < 0.05


def test_the_inner_half_ends_in_the_middle_of_the_wall():
    muscle, cavity = ring()
    inner = endocardial(muscle, cavity)
    y, x = torch.nonzero(inner).unbind(1)
    reach = ((y - 30.0).square() + (x - 30.0).square()).sqrt().max()
    assert abs(float(reach) - 15) < 1.0
    assert not (inner & ~muscle).any()
