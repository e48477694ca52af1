"""Partial Fourier: what is made of the side of k-space that was not sampled."""

import numpy as np
import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.partial import Asymmetry
from gadgets.image.partial_fourier import PartialFourier
from gadgets.scan import Scan


def image(data, role="image", **meta):
    return Image(data=data, head=np.zeros((), IMAGE_HEAD), role=role, meta=meta)


def smooth(height, width, turns=2.0):
    """A phase that low frequencies hold."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.polar(torch.ones(height, width), turns * (y**2 + 0.5 * x - x * y))


def rough(height, width):
    """Sharp edges: a signal that reaches all frequencies, within the field of view."""
    data = torch.zeros(height, width)
    data[height // 8 : -height // 8, width // 8 : -width // 8] = 1
    data[height // 3 : height // 2, width // 4 : width // 3] = 3
    return data


def cut(truth, rows=None, columns=None):
    """The image without the first rows or columns of its k-space."""
    kspace = to_kspace(truth, (-2, -1))
    kspace[..., : rows or 0, :] = 0
    kspace[..., : columns or 0] = 0
    return to_image(kspace, (-2, -1))


def error(found, truth):
    """NRMSE of the magnitude after the best common factor."""
    found, truth = found.abs(), truth.abs()
    found = found * ((found * truth).sum() / found.square().sum())
    return float(torch.linalg.vector_norm(found - truth) / torch.linalg.vector_norm(truth))


def run(items, **fields):
    return list(PartialFourier(**fields).process(items, Scan()))


@pytest.mark.parametrize("method", ["homodyne", "pocs"])
@pytest.mark.parametrize("axis", ["y", "x"])
def test_an_object_with_a_smooth_phase_comes_back(method, axis):
    truth = (rough(64, 64) * smooth(64, 64))[None, None]
    data = cut(truth, rows=16) if axis == "y" else cut(truth, columns=16)
    (out,) = run([image(data, **{f"ScansideSampled{axis.upper()}": (-0.5, 1.0)})], method=method)
    assert error(out.data, truth) < 0.5 * error(data, truth)
    assert out.meta[f"ScansideSampled{axis.upper()}"] == (-1.0, 1.0)
    assert out.meta["ScansideHistory"] == (f"PartialFourier {method}",)


def test_the_side_that_is_missing_may_be_the_last():
    truth = (rough(64, 64) * smooth(64, 64))[None, None]
    kspace = to_kspace(truth, (-2,))
    kspace[..., 49:, :] = 0
    data = to_image(kspace, (-2,))
    (out,) = run([image(data, ScansideSampledY=(-1.0, 17 / 32))])
    assert error(out.data, truth) < 0.5 * error(data, truth)


def test_along_z_and_with_two_axes():
    truth = rough(64, 32)[None, None].repeat(1, 16, 1, 1)
    truth[:, :4] = 0
    truth = truth * smooth(64, 32, 1.0)
    kspace = to_kspace(truth, (-3, -2))
    kspace[:, :4] = 0
    kspace[:, :, :16] = 0
    data = to_image(kspace, (-3, -2))
    meta = {"ScansideSampledZ": (-0.5, 1.0), "ScansideSampledY": (-0.5, 1.0)}
    (out,) = run([image(data, **meta)], method="pocs", iterations=20)
    assert error(out.data, truth) < 0.7 * error(data, truth)


def test_samples_that_were_acquired_are_kept_by_pocs():
    data = cut((rough(64, 64) * smooth(64, 64))[None, None], rows=16)
    (out,) = run([image(data, ScansideSampledY=(-0.5, 1.0))], method="pocs", transition=0)
    torch.testing.assert_close(to_kspace(out.data, (-2,))[:, :, 16:], to_kspace(data, (-2,))[:, :, 16:])


@pytest.mark.parametrize("size", [64, 65])
@pytest.mark.parametrize(("first", "last"), [(-0.5, 1.0), (-1.0, 0.5)])
def test_weights_and_their_mirror_image_are_constant(size, first, last):
    axis = Asymmetry(axis=-1, size=size, first=first, last=last)
    for width in (0.0, 0.15, 1.0):
        weights = axis.homodyne(width)
        inner = weights[1:] if size % 2 == 0 else weights
        total = inner + inner.flip(0)
        torch.testing.assert_close(total, torch.full_like(total, float(total.mean())))
        assert float(weights[axis.sampled].square().mean()) == pytest.approx(1)
        assert float(weights[~axis.sampled].abs().sum()) == 0


def test_symmetric_and_real_images_pass():
    data = rough(16, 16)[None, None]
    for item in (image(data.to(torch.complex64)), image(data, ScansideSampledY=(-0.5, 1.0))):
        assert run([item]) == [item]


def test_what_acceleration_explains_is_no_partial_fourier(phantom):
    item = image(rough(48, 32)[None, None].to(torch.complex64), ScansideSampledY=(-1.0, 22 / 24))
    assert list(PartialFourier().process([item], phantom.scan(2))) == [item]
    (out,) = PartialFourier().process([item], phantom.scan(1))
    assert out is not item


@pytest.mark.parametrize("method", ["homodyne", "pocs"])
def test_a_phase_estimated_from_the_image_makes_the_map_the_linear_images(method):
    item = image(torch.ones(1, 1, 16, 16), "gfactor", ScansideSampledY=(-0.5, 1.0))
    (out,) = run([item], method="pocs")
    assert out.meta["ScansideNoiseOf"] == "linear"


def test_the_phase_of_the_first_image_serves_those_of_its_slice():
    data = cut((rough(64, 64) * smooth(64, 64))[None, None], rows=16)
    other = cut((rough(64, 64) * smooth(64, 64, -3.0))[None, None], rows=16)
    meta = {"ScansideSampledY": (-0.5, 1.0)}
    _, frozen = run([image(data, **meta), image(other, **meta)], phase="first")
    (own,) = run([image(other, **meta)], phase="each")
    first = smooth(64, 64)
    inside = rough(64, 64) > 0
    turned = (frozen.data * first.conj())[0, 0][inside]
    assert float(turned.imag.abs().mean()) < 0.1 * float(turned.abs().mean())
    assert error(own.data, other) < error(frozen.data, other)
