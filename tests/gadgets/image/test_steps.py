"""Filter, resize, convert, magnitude: what they do to signal, noise and meta."""

import numpy as np
import pytest
import torch

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.data import Image
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD, ImageType
from gadgets.image.convert import Convert
from gadgets.image.filter import KspaceFilter
from gadgets.image.magnitude import Magnitude
from gadgets.image.resize import Resize
from gadgets.scan import Encoding, Scan, Space

SCAN = Scan()


def image(data, role="image", fov=None, **meta):
    head = np.zeros((), IMAGE_HEAD)
    head["image_type"] = ImageType.COMPLEX
    head["matrix_size"] = data.shape[:-4:-1]
    head["field_of_view"] = fov or data.shape[:-4:-1]
    return Image(data=data, head=head, role=role, meta=meta)


def scan_of(matrix, fov):
    space = Space(matrix=matrix, fov=tuple(length / 1000 for length in fov))
    return Scan(encodings=(Encoding(encoded=space, recon=space),))


def line(gadget, size):
    """The weights along one axis."""
    return gadget.weights((1, 1, size), (-1,), image(torch.zeros(1, 1, 1, size)))[0, 0].float()


def sd(data):
    return float(data.abs().square().mean() / 2) ** 0.5


@pytest.mark.parametrize("shape", ["gaussian", "hanning", "tapered"])
@pytest.mark.parametrize("size", [64, 65])
def test_filters_have_unit_mean_square_and_leave_white_noise_its_sd(white, shape, size):
    gadget = KspaceFilter(shape=shape)
    weights = line(gadget, size)
    assert float(weights.square().mean()) == pytest.approx(1)
    assert torch.equal(
        weights[size // 2 + 1 :],
        weights[1 : size // 2].flip(0) if size % 2 == 0 else weights[: size // 2].flip(0),
    )
    assert sd(gadget.one(image(white(8, 1, size, 64)), SCAN).data) == pytest.approx(1, abs=0.02)


def test_the_gaussian_is_that_of_its_formula():
    x = (torch.arange(16) - 8) / 8
    expected = torch.exp(-(x**2) / 2)
    torch.testing.assert_close(line(KspaceFilter(), 16), expected / expected.square().mean().sqrt())


def test_axes_are_filtered_alone_or_by_one_window_over_the_distance(white):
    item = image(white(1, 1, 24, 32))
    shape, axes = item.data.shape[-3:], (-2, -1)
    assert KspaceFilter(axes="y").one(item, SCAN).data.shape == item.data.shape
    along_y = KspaceFilter(axes="y").weights(shape, (-2,), item)
    assert along_y.shape == (1, 24, 1)
    round_one = KspaceFilter(shape="hanning", elliptical=True).weights(shape, axes, item)[0]
    assert float(round_one.square().mean()) == pytest.approx(1)
    assert round_one[12, 8] == round_one[6, 16]
    assert float(round_one[1, 2]) == 0
    product = KspaceFilter(elliptical=False).weights(shape, axes, item)
    torch.testing.assert_close(product, KspaceFilter(elliptical=True).weights(shape, axes, item))


def test_the_filter_runs_over_what_was_sampled(white):
    kspace = torch.zeros(1, 1, 64, 32, dtype=torch.complex64)
    kspace[:, :, 16:49] = white(1, 1, 33, 32)
    kspace *= (64 / 33) ** 0.5
    before = to_image(kspace, (-2, -1))
    after = KspaceFilter(sigma=2).one(image(before, ScansideSampledY=(-0.5, 0.53125)), SCAN).data
    assert sd(after) == pytest.approx(sd(before), rel=0.03)


def test_real_images_are_not_filtered(white):
    item = image(white(1, 1, 8, 8).abs())
    assert KspaceFilter().one(item, SCAN) is item


def test_a_map_that_cannot_follow_says_so(white):
    item = image(white(1, 1, 8, 8).abs(), "gfactor")
    out = KspaceFilter().one(item, SCAN)
    assert out.data is item.data
    assert out.meta["ScansideNoiseOf"] == "unfiltered"
    out = Resize().one(item, scan_of((16, 16, 1), (8, 8, 1)))
    assert out.meta["ScansideNoiseOf"] == "unfiltered"


def test_zero_filling_keeps_noise_sd_and_signal(white):
    noise = white(8, 1, 48, 32)
    out = Resize().one(image(noise, fov=(32, 48, 1)), scan_of((64, 64, 1), (32, 48, 1)))
    assert out.data.shape == (8, 1, 64, 64)
    assert sd(out.data) == pytest.approx(sd(noise), rel=1e-3)
    flat = Resize().one(image(torch.ones_like(noise), fov=(32, 48, 1)), scan_of((64, 64, 1), (32, 48, 1)))
    smooth = to_kspace(flat.data, (-2, -1))
    assert float(smooth[0, 0, 32, 32].abs()) / 64 == pytest.approx(
        (64 * 64 / (48 * 32)) ** 0.5 * (48 * 32) ** 0.5 / 64
    )


def test_cropping_k_space_keeps_the_noise_sd(white):
    out = Resize().one(image(white(8, 1, 64, 64), fov=(32, 48, 1)), scan_of((32, 48, 1), (32, 48, 1)))
    assert sd(out.data) == pytest.approx(1, abs=0.02)


def test_a_larger_encoded_field_of_view_is_cropped_about_the_centre(white):
    inner = white(1, 1, 20, 16)
    outer = resize(inner, -2, 30)
    out = Resize().one(image(outer, fov=(16, 30, 1)), scan_of((16, 20, 1), (16, 20, 1)))
    torch.testing.assert_close(out.data, inner)
    assert out.head["field_of_view"].tolist() == [16, 20, 1]
    assert out.head["matrix_size"].tolist() == [16, 20, 1]


def test_maps_of_the_noise_stay_positive_and_keep_their_values():
    gfactor = 1 + torch.rand(1, 1, 24, 16)
    out = Resize().one(image(gfactor, "gfactor", fov=(16, 24, 1)), scan_of((32, 32, 1), (16, 24, 1)))
    assert out.data.shape == (1, 1, 32, 32)
    assert float(out.data.min()) >= float(gfactor.min())
    assert float(out.data.max()) <= float(gfactor.max())


def test_resizing_tells_later_steps_how_far_k_space_reaches(white):
    item = image(white(1, 1, 24, 16), fov=(16, 24, 1), ScansideSampledY=(-0.5, 1.0))
    out = Resize().one(item, scan_of((16, 48, 1), (16, 24, 1)))
    assert out.meta["ScansideSampledY"] == (-0.25, 0.5)
    assert out.meta["ScansideSampledX"] == (-1.0, 1.0)


def test_a_header_without_a_recon_matrix_is_refused(white):
    with pytest.raises(DataError, match="matrix is"):
        Resize().one(image(white(1, 1, 8, 8)), scan_of((0, 0, 0), (8, 8, 1)))


def test_magnitude_is_real_and_says_so(white):
    item = image(white(1, 1, 8, 8))
    out = Magnitude().one(item, SCAN)
    torch.testing.assert_close(out.data, item.data.abs())
    assert int(out.head["image_type"]) == ImageType.MAGNITUDE
    assert int(item.head["image_type"]) == ImageType.COMPLEX
    assert Magnitude().one(out, SCAN) is out


def test_integers_are_rounded_clipped_and_counted():
    data = torch.tensor([-1.0, 0.26, 3.0, 40000.0, float("nan")]).reshape(1, 1, 1, 5)
    out = Convert(to="uint16", scale=2).one(image(data), SCAN)
    assert out.data.dtype == torch.uint16
    assert out.data.to(torch.int32).flatten().tolist() == [0, 1, 6, 65535, 0]
    assert (out.meta["ScansideScaleRatio"], out.meta["ScansideClipped"]) == (2, 2)
    signed = Convert(to="int16").one(image(data), SCAN)
    assert signed.data.flatten().tolist() == [-1, 0, 3, 32767, 0]


@pytest.mark.parametrize(("role", "ratio"), [("image", 2), ("gfactor", 100), ("noise", 100), ("snr", 10)])
def test_each_role_has_its_constant(role, ratio):
    out = Convert(scale=2, gfactor=100, snr=10).one(image(torch.ones(1, 1, 2, 2), role), SCAN)
    assert out.data.unique().tolist() == [ratio]
    assert out.meta["ScansideScaleRatio"] == ratio


def test_complex_values_do_not_become_real_without_a_word(white):
    with pytest.raises(DataError, match="put Magnitude before it"):
        Convert(to="uint16").one(image(white(1, 1, 2, 2)), SCAN)
    assert Convert(to="complex64").one(image(torch.ones(1, 1, 2, 2)), SCAN).data.is_complex()


def test_the_history_names_the_steps_in_order(white):
    item = KspaceFilter().one(image(white(1, 1, 8, 8)), SCAN)
    item = Convert(to="float32").one(Magnitude().one(item, SCAN), SCAN)
    assert item.meta["ScansideHistory"] == ("KspaceFilter gaussian", "Magnitude", "Convert float32")
