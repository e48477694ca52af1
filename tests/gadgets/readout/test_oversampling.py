import math

import numpy as np
import pytest
import torch

from gadgets.arrays import resize, to_kspace
from gadgets.errors import DataError
from gadgets.readout.oversampling import RemoveOversampling
from gadgets.scan import Encoding, Scan, Space


def scan(encoded, recon, ratio):
    return Scan(
        encodings=(
            Encoding(
                encoded=Space(matrix=(encoded, 4, 1), fov=(0.3 * ratio, 0.3, 0.01)),
                recon=Space(matrix=(recon, 4, 1), fov=(0.3, 0.3, 0.01)),
            ),
        )
    )


@pytest.mark.parametrize(("points", "ratio", "left"), [(32, 2, 16), (30, 2, 15), (33, 1.5, 22), (32, 1, 32)])
def test_what_is_left_is_the_object_in_the_middle(white, readouts, points, ratio, left):
    inner = white(3, 2, left)
    outer = resize(inner, -1, points)
    block = readouts(to_kspace(outer).numpy())
    out = RemoveOversampling().one(block, scan(points, left, ratio))
    np.testing.assert_allclose(out.data, inner.numpy(), atol=1e-5)
    assert out.transformed
    assert out.head["number_of_samples"].tolist() == [left] * 3
    assert not block.transformed


def test_the_noise_keeps_its_sd(white, readouts):
    out = RemoveOversampling().one(readouts(white(64, 4, 128).numpy()), scan(128, 64, 2))
    assert math.sqrt(np.mean(np.abs(out.data) ** 2) / 2) == pytest.approx(1, abs=0.01)


def test_a_recon_matrix_that_differs_does_not_resample(white, readouts):
    out = RemoveOversampling().one(readouts(white(2, 2, 32).numpy()), scan(32, 64, 2))
    assert out.data.shape[-1] == 16


def test_lines_that_do_not_fit_the_matrix_are_refused_by_name(readouts):
    with pytest.raises(DataError, match="24 samples, but the encoded matrix has 32"):
        RemoveOversampling().one(readouts(torch.zeros(1, 1, 24).numpy()), scan(32, 16, 2))


def test_transformed_lines_pass(white, readouts):
    once = RemoveOversampling().one(readouts(white(2, 2, 32).numpy()), scan(32, 16, 2))
    assert RemoveOversampling().one(once, scan(32, 16, 2)) is once
