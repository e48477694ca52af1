"""A first pass segmented by a network or by arrival times."""

from dataclasses import replace

import torch

from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.segment import NETWORK, Network, SegmentMyocardium, _segmented, classical
from gadgets.testing import run


def segmented(item, scan, **fields):
    (found,) = (
        each for each in run(SegmentMyocardium(**fields), [item], scan) if isinstance(each, FirstPass)
    )
    return found


def test_what_a_network_segmented_names_it_behind_the_one_that_made_the_images(
    pooled, scan_and_images, monkeypatch
):
    def heart(self, series, times, pixel, near=None):
        return replace(classical(series, times, pixel, near), origin=NETWORK, reasons=())

    monkeypatch.setattr(Network, "heart", heart)
    found = segmented(pooled, scan_and_images[0]).slices[0].frames.meta
    assert found["ScansideModel"].startswith("short-axis ") and len(found["ScansideModelHash"]) == 64
    name = found["ScansideModel"]
    assert found["ScansideSegmentationModel"] == f"{name} {found['ScansideModelHash'][:12]}"
    one = pooled.slices[0]
    made = {**one.frames.meta, "ScansideModel": "unrolled-2d 4", "ScansideModelHash": "abc"}
    learned = replace(pooled, slices=(replace(one, frames=replace(one.frames, meta=made)),))
    assert segmented(learned, scan_and_images[0]).slices[0].frames.meta["ScansideModel"] == (
        f"unrolled-2d 4 + {name}"
    )


def test_a_right_ventricle_drawn_elsewhere_than_it_inserts_does_not_mirror_the_segments(
    pooled, scan_and_images
):
    """Seen: the network took lung beyond the free wall for it, and inferior flow was reported as lateral."""
    scan, _, _ = scan_and_images
    one = segmented(pooled, scan, model="").slices[0]
    across = tuple(round(2 * at) for at in one.heart.center)
    other = one.heart.right.flip(0, 1).roll(
        [at - size + 1 for at, size in zip(across, one.heart.right.shape, strict=True)], (0, 1)
    )
    assert other.any() and not torch.equal(other, one.heart.right)
    again = _segmented(one, replace(one.heart, right=other))
    assert torch.equal(again.segments, one.segments)


def test_without_the_network_that_was_asked_for_the_contours_say_so(pooled, scan_and_images):
    found = segmented(pooled, scan_and_images[0], model="nobody")
    assert any(flag.startswith("contours without the network: ") and "nobody" in flag for flag in found.flags)
    assert found.slices[0].heart.origin == "classical"
    assert "ScansideModel" not in found.slices[0].frames.meta
