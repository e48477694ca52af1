"""What is said of the flow of single segments."""

import math

import numpy as np
import pytest
import torch

from gadgets.cardiac.perfusion.doubts import TESTED, UNEVEN, doubts, unevenness
from gadgets.cardiac.perfusion.item import Frames, Slice
from gadgets.head import IMAGE_HEAD
from models.perfusion.flow import Flow


def flow(mbf, error=0.02):
    rest = dict.fromkeys(("mbf_sd", "ps", "vb", "visf", "delay"), torch.tensor([0.1]))
    return Flow(mbf=torch.tensor([mbf]), error=torch.tensor([error]), **rest)


def slices(flows, uneven=None):
    """One slice with these segments."""
    empty = torch.zeros(1, 2, 4, 4)
    frames = Frames(
        signal=empty,
        density=empty,
        times=torch.arange(2.0),
        pixel=(2e-3, 2e-3),
        pulse=0,
        head=np.zeros((), IMAGE_HEAD),
    )
    return [Slice(level="mid", frames=frames, sectors=flows, uneven=uneven or {})]


def test_of_flows_that_are_as_they_should_be_nothing_is_said():
    assert doubts(slices({7: flow(0.3), 8: flow(TESTED)}), 0.08) == []


@pytest.mark.parametrize("much", [TESTED + 0.1, 7.9, math.inf])
def test_flow_beyond_what_was_tested_is_said_with_its_segments(much):
    (said,) = doubts(slices({7: flow(1.0), 9: flow(much), 12: flow(much)}), 0.08)
    assert said == "flow above 5 ml/min/g, where nothing was tested, in segments 9, 12"


def test_a_poor_fit_is_said_with_its_segments():
    said = doubts(slices({7: flow(1.0, 0.09), 8: flow(1.0, 0.07), 9: flow(6.0, 0.1)}), 0.08)
    assert said[0] == "poor fit in segments 7, 9"
    assert said[1].endswith("in segments 9")


def pixels(share, part):
    """A hundred pixels' curves at CNR 12, of which a share holds a part of what the others do."""
    moments = torch.arange(60.0)
    curve = torch.sigmoid((moments - 15) / 2) * (1 - 0.004 * moments)
    size = torch.ones(100)
    size[: int(100 * share)] = part
    noise = torch.randn(100, 60, generator=torch.Generator().manual_seed(0)) / 12
    return size[:, None] * curve + noise


@pytest.mark.parametrize(
    ("share", "part"),
    [(0.0, 1.0), (0.5, 0.7), (0.2, 0.5), (0.05, 0.0)],
    ids=["muscle", "half that holds less", "a fifth that holds half", "five of a hundred dark"],
)
def test_pixels_of_muscle_are_alike(share, part):
    assert unevenness(pixels(share, part)) < UNEVEN


@pytest.mark.parametrize(("share", "part"), [(0.1, 0.0), (0.35, 0.1), (0.5, 0.5), (0.1, 5.0)])
def test_pixels_of_something_else_are_not(share, part):
    assert unevenness(pixels(share, part)) > UNEVEN


def test_segments_whose_pixels_are_unlike_are_said():
    found = slices({7: flow(1.0), 8: flow(1.0)}, {7: UNEVEN - 0.01, 8: UNEVEN + 0.01})
    (said,) = doubts(found, 0.08)
    assert said.startswith("pixels of segments 8 are unlike")
