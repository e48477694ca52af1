import numpy as np
import pytest
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.scale import AutoScale
from gadgets.scan import Scan
from gadgets.testing import run


def image(values, role="image", **meta):
    data = torch.as_tensor(values, dtype=torch.float32).reshape(1, 1, 1, -1)
    return Image(data=data, head=np.zeros((), IMAGE_HEAD), role=role, meta=meta)


def test_the_first_image_gives_the_scale_of_all():
    first, second = run(AutoScale(), [image(range(1, 101)), image(range(2, 202, 2))], Scan())
    assert float(first.data.flatten()[98]) == 2048
    torch.testing.assert_close(second.data, 2 * first.data)
    assert first.meta["ScansideScaleRatio"] == second.meta["ScansideScaleRatio"] == pytest.approx(2048 / 99)


def test_a_scale_that_is_there_already_is_multiplied():
    (found,) = run(AutoScale(to=30, percentile=100), [image([1, 3], ScansideScaleRatio=4.0)], Scan())
    assert found.data.flatten().tolist() == [10, 30]
    assert found.meta["ScansideScaleRatio"] == 40


@pytest.mark.parametrize(("level", "ratio"), [(63, 2048 / 63), (64, 4), (4095, 4), (4096, 0.5)])
def test_what_fits_already_gets_the_usual_constant(level, ratio):
    (found,) = run(AutoScale(percentile=100, usual=4), [image([0, level])], Scan())
    assert found.meta["ScansideScaleRatio"] == pytest.approx(ratio)


def test_companions_pass_and_an_empty_image_sets_no_scale():
    items = [image([5, 5], "gfactor"), image([0, 0]), image([1, 2]), image([3, 3], "snr")]
    found = run(AutoScale(percentile=100), items, Scan())
    assert found[0] is items[0]
    assert found[3] is items[3]
    assert found[1].data.flatten().tolist() == [0, 0]
    assert found[2].data.flatten().tolist() == [1024, 2048]


def test_complex_images_keep_their_phase():
    item = Image(data=torch.full((1, 1, 1, 4), 3 + 4j), head=np.zeros((), IMAGE_HEAD))
    (found,) = run(AutoScale(to=10, percentile=100), [item], Scan())
    torch.testing.assert_close(found.data, torch.full((1, 1, 1, 4), 6 + 8j))
