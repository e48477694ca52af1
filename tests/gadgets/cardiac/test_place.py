"""The heart of the arterial images found again in the slices, and the level of proton density."""

import numpy as np
import pytest
import torch

from gadgets.cardiac.perfusion.collect import _promised
from gadgets.cardiac.perfusion.convert import _level
from gadgets.cardiac.perfusion.item import Frames
from gadgets.cardiac.perfusion.place import around, heart_in
from gadgets.head import IMAGE_HEAD
from gadgets.scan import Encoding, Limit, Scan, Space
from models.perfusion.pools import Near, Pools, find_pools


def frames(shape, pixel, position=(0.0, 0.0, 0.0)):
    head = np.zeros((), IMAGE_HEAD)
    head["position"] = position
    head["read_dir"], head["phase_dir"] = (0, 1, 0), (0, 0, -1)
    empty = torch.zeros(1, 2, *shape)
    return Frames(
        signal=empty, density=empty, times=torch.arange(2.0), pixel=(pixel, pixel), pulse=0, head=head
    )


def disc(shape, point, radius):
    y, x = torch.arange(shape[0])[:, None] - point[0], torch.arange(shape[1]) - point[1]
    return y * y + x * x <= radius * radius


def test_the_heart_lies_where_the_arterial_images_have_it():
    left = disc((48, 64), (20, 40), 4)
    pools = Pools(left=left, right=left & False, arrival=(float("nan"), 12.0))
    arterial = frames((48, 64), 5.625e-3)
    slice_ = frames((144, 192), 1.875e-3, position=(0.0, 18.75, 0.0))
    y, x = heart_in(slice_, arterial, pools)
    assert y == pytest.approx(72 + (20 - 24) * 3, abs=0.01)
    assert x == pytest.approx(96 + (40 - 32) * 3 - 10, abs=0.01)
    mask = around(slice_, (y, x))
    assert bool(mask[round(y), round(x)])
    assert not bool(mask[round(y), round(x) + 40])


def test_without_an_answer_there_is_no_place():
    left = disc((48, 64), (20, 40), 4)
    pools = Pools(left=left, right=left, arrival=(8.0, 12.0), reasons=("no bolus",))
    assert heart_in(frames((96, 96), 2e-3), frames((48, 64), 5e-3), pools) is None


def test_a_spleen_is_no_ventricle():
    times = torch.arange(40, dtype=torch.float64)
    shape, heart, spleen = (64, 64), (24, 26), (50, 52)
    bolus = torch.exp(-(((times - 14) / 3) ** 2)).float()
    slow = (0.5 + torch.tanh((times - 22) / 6) / 2 - 0.2 * (times > 34)).float()
    series = 0.05 + 0.002 * torch.randn(40, *shape, generator=torch.Generator().manual_seed(0))
    series = series + disc(shape, heart, 7) * bolus[:, None, None] * 0.6
    series = series + disc(shape, spleen, 11) * slow[:, None, None]
    near = Near(mask=disc(shape, heart, 18), latest=14.0)
    found = find_pools(series, times, 3e-3, near)
    assert bool(found.left[heart])
    assert not bool(found.left[spleen])


def test_the_first_density_frame_sets_the_level():
    density = torch.ones(3, 8, 8) * torch.tensor([1.0, 0.9, 0.9])[:, None, None]
    muscle = torch.zeros(8, 8, dtype=torch.bool)
    muscle[2:5, 2:5] = True
    assert _level(density, muscle) == pytest.approx(1 / (2.8 / 3))


def test_a_slice_that_lacks_is_missed_by_the_header():
    space = Space(matrix=(8, 8, 1), fov=(0.1, 0.1, 0.01))
    muscle = Encoding(encoded=space, recon=space, limits={"slice": Limit(maximum=2)})
    assert _promised(Scan(encodings=(muscle,))) == 3
    assert _promised(Scan()) == 0
