"""Parts of complex images, and images of even brightness: each a series of its own."""

import numpy as np
import pytest
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD, ImageType
from gadgets.image.extract import Extract
from gadgets.image.label import Labels
from gadgets.image.normalize import Normalize
from gadgets.scan import Scan


def image(data, role="image", number=0):
    head = np.zeros((), IMAGE_HEAD)
    head["slice"] = number
    return Image(data=data, head=head, role=role)


def series(items):
    labels = Labels(Scan())
    return [int(labels.label(item).head["image_series_index"]) for item in items]


def test_each_part_is_a_series_of_its_own(white):
    item = image(white(1, 1, 8, 6))
    found = list(Extract(real=True, imaginary=True, phase=True).process([item], Scan()))
    assert series(found) == [1, 1001, 2001, 3001]
    kinds = [ImageType.MAGNITUDE, ImageType.REAL, ImageType.IMAG, ImageType.PHASE]
    assert [int(each.head["image_type"]) for each in found] == kinds
    magnitude, real, imaginary, phase = (each.data for each in found)
    torch.testing.assert_close(torch.complex(real, imaginary), item.data)
    torch.testing.assert_close(torch.polar(magnitude, phase), item.data)
    assert all(each.dtype == torch.float32 for each in (magnitude, real, imaginary, phase))


def test_maps_and_real_images_keep_their_one_series(white):
    snr, noise = image(white(1, 1, 4, 4), "snr"), image(torch.ones(1, 1, 4, 4), "gfactor")
    found = list(Extract(phase=True).process([snr, noise], Scan()))
    assert [each.role for each in found] == ["snr", "gfactor"]
    assert found[1] is noise
    assert series(found) == [300, 20]


def test_without_the_magnitude_only_what_is_asked_for_is_sent(white):
    (found,) = Extract(magnitude=False, phase=True).process([image(white(1, 1, 4, 4))], Scan())
    assert int(found.head["image_type"]) == ImageType.PHASE


def shaded(size=64):
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    body = ((x / 0.8) ** 2 + (y / 0.7) ** 2 < 1).float()
    return body * (1 + 0.2 * ((x * 12).sin() > 0)), torch.exp(0.8 * x + 0.4 * y)


def test_slow_shading_is_divided_out_and_nothing_else_changes():
    even, shade = shaded()
    item = image((100 * even * shade)[None, None])
    first, bias, normalized = Normalize().process([item], Scan())
    assert first is item
    assert [bias.role, normalized.role] == ["bias", "normalized"]
    assert series([first, normalized, bias]) == [1, 5, 6]
    torch.testing.assert_close(normalized.data * bias.data, item.data)
    inside = even > 0
    assert float(bias.data[0, 0][inside].mean()) == pytest.approx(1)

    def spread(data):
        ratio = (data / even.clamp(min=1e-6))[inside]
        return float(ratio.std() / ratio.mean())

    assert spread(normalized.data[0, 0]) < 0.35 * spread(item.data[0, 0])


def test_the_bias_map_of_the_first_image_serves_its_slice_and_keeps_what_changes():
    even, shade = shaded()
    items = [
        image((level * even * shade)[None, None], number=n) for level, n in ((100, 0), (150, 0), (70, 1))
    ]
    found = list(Normalize().process(items, Scan()))
    assert [each.role for each in found].count("bias") == 2
    first, second = (each.data for each in found if each.role == "normalized" and each.head["slice"] == 0)
    torch.testing.assert_close(second, 1.5 * first)


def test_companions_are_not_normalized(white):
    item = image(white(1, 1, 4, 4).abs(), "gfactor")
    assert list(Normalize().process([item], Scan())) == [item]


def test_an_empty_image_stays_finite():
    *_, found = Normalize().process([image(torch.zeros(1, 1, 16, 16))], Scan())
    assert bool(torch.isfinite(found.data).all())
