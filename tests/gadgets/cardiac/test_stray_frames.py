"""Frames of a first pass that no registration mends."""

from dataclasses import replace

import pytest
import torch

from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.motion import CorrectMotion, left_out
from gadgets.data import Image
from gadgets.testing import run
from tests.gadgets.cardiac.first_pass import collected


def turned(images, beats):
    """In some heartbeats the slice shows what no registration makes a heart of."""
    for each in images:
        muscle = each.meta["ScansideEncoding"] == 0
        yield replace(each, data=each.data.flip(-1)) if muscle and each.head["repetition"] in beats else each


def moved(images, scan):
    """The registered first pass, and the series of it that is sent."""
    out = run(CorrectMotion(box=64), [collected(images, scan)], scan)
    item = next(each for each in out if isinstance(each, FirstPass))
    return item, [each for each in out if isinstance(each, Image)]


def test_frames_beyond_correction_are_sent_but_left_out_and_counted(scan_and_images):
    scan, images, _ = scan_and_images
    item, sent = moved(turned(images, (20, 30)), scan)
    (one,) = item.slices
    assert item.flags == ("slice 1: motion beyond correction in 2 of 36 frames: left out",)
    assert len(sent) == 36
    assert one.moved.beyond.nonzero().flatten().tolist() == [20 - 3, 30 - 3]
    assert len(one.frames.times) == one.frames.signal.shape[1] == 34
    assert not item.refusals


@pytest.mark.parametrize(
    ("beats", "doubt"), [((0,), False), ((7, 8), False), ((0, 1), True), ((0, 1, 2, 9), True)]
)
def test_of_a_baseline_whose_first_frames_are_left_out_it_is_said_that_nobody_can_judge_it(beats, doubt):
    astray = torch.zeros(40, dtype=torch.bool)
    astray[list(beats)] = True
    assert f"in {len(beats)} of 40 frames: left out" in left_out(astray)
    assert ("baseline cannot be judged" in left_out(astray)) is doubt


@pytest.mark.slow
def test_of_a_slice_with_more_frames_astray_nothing_is_quantified(scan_and_images):
    scan, images, _ = scan_and_images
    random = torch.Generator().manual_seed(4)
    noise = [
        replace(each, data=torch.randn(each.data.shape, generator=random).to(each.data.dtype).mul(50.0))
        if each.meta["ScansideEncoding"] == 0 and each.head["repetition"] >= 20
        else each
        for each in images
    ]
    item, _ = moved(noise, scan)
    assert item.refusals == (
        f"slice 1: motion beyond correction in {int(item.slices[0].moved.beyond.sum())} of 36 frames",
    )
    assert (
        len(item.slices[0].frames.times) == 36
    )  # nothing is quantified, and nothing breaks for want of frames
