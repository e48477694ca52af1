import math

import numpy as np
import pytest
import torch

from gadgets.arrays import to_image
from gadgets.data import Reference
from gadgets.errors import DataError
from gadgets.recon.fourier import Fourier

HEIGHT, WIDTH = 48, 32


def run(items, scan):
    return list(Fourier().process(iter(items), scan))


def test_a_full_scan_becomes_the_unitary_transform_of_each_coil(phantom):
    (image,) = run([phantom.kspace(phantom.lines, phantom.pattern())], phantom.scan())
    torch.testing.assert_close(image.data[:, 0], phantom.object * phantom.maps, atol=1e-4, rtol=0)
    assert image.notes["ScansideScale"] == 1


def test_transformed_lines_give_the_same_image(phantom):
    plain, over_x = (
        phantom.kspace(phantom.lines, phantom.pattern()),
        phantom.kspace(to_image(phantom.lines), phantom.pattern(), transformed=True),
    )
    first, second = run([plain, over_x], phantom.scan())
    torch.testing.assert_close(first.data, second.data, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [1, 3])
def test_pure_noise_has_sd_1_whatever_was_sampled(phantom, white, count):
    sampled = phantom.pattern()
    sampled[:5] = sampled[40:] = 0
    sampled[20:28] = 2
    sampled *= count
    noise = white(phantom.coils, HEIGHT, WIDTH) / sampled.clamp(min=1).sqrt()[:, None]
    (image,) = run([phantom.kspace(noise, sampled)], phantom.scan())
    assert float(image.data.abs().square().mean() / 2) ** 0.5 == pytest.approx(1, abs=0.02)
    weights = white(phantom.coils, 1, HEIGHT, WIDTH)
    expected = torch.linalg.vector_norm(weights, dim=0)
    torch.testing.assert_close(image.noise.sd(weights), expected)


def test_an_asymmetric_echo_keeps_unit_noise(phantom, white):
    noise = white(phantom.coils, HEIGHT, WIDTH)
    noise[..., : WIDTH // 4] = 0
    notes = {"ScansideSampledX": (-0.5, 1.0)}
    (image,) = run([phantom.kspace(noise, phantom.pattern(), notes=notes)], phantom.scan())
    assert image.notes["ScansideScale"] == pytest.approx(math.sqrt(4 / 3))
    assert float(image.data.abs().square().mean() / 2) ** 0.5 == pytest.approx(1, abs=0.02)


def test_one_scale_serves_all_images_and_the_noise_says_what_differs(phantom):
    full, half = phantom.pattern(), phantom.pattern()
    half[24:] = 0
    first, second = run([phantom.kspace(phantom.lines, part) for part in (full, half)], phantom.scan())
    assert first.notes["ScansideScale"] == second.notes["ScansideScale"] == 1
    assert second.noise.level == pytest.approx(math.sqrt(0.5))


def test_reference_lines_pass_and_every_frame_gives_an_image(phantom, white):
    data = white(2, 1, 3, phantom.coils, 1, HEIGHT, WIDTH)
    one = phantom.kspace(phantom.lines, phantom.pattern())
    head = np.zeros((2, 1, 3), one.head.dtype)
    head["idx"]["slice"] = np.arange(2)[:, None, None]
    head["idx"]["repetition"] = np.arange(3)
    sampled = torch.ones(2, 1, 3, 1, HEIGHT, dtype=torch.int32)
    series = type(one)(data=data, sampled=sampled, head=head, encoding=0)
    passed, *images = run([phantom.reference(phantom.lines, 8), series], phantom.scan())
    assert isinstance(passed, Reference)
    counters = [(int(image.head["slice"]), int(image.head["repetition"])) for image in images]
    assert counters == [(i, n) for i in range(2) for n in range(3)]
    torch.testing.assert_close(images[4].data, to_image(data[1, 0, 1], (-2, -1)))


def test_a_volume_is_transformed_along_k2_too(phantom, white):
    one = phantom.kspace(phantom.lines, phantom.pattern())
    data = white(1, 1, 1, 2, 4, HEIGHT, WIDTH)
    sampled = torch.ones(1, 1, 1, 4, HEIGHT, dtype=torch.int32)
    (image,) = run([type(one)(data=data, sampled=sampled, head=one.head, encoding=0)], phantom.scan())
    torch.testing.assert_close(image.data, to_image(data[0, 0, 0], (-3, -2, -1)))


def test_missing_lines_of_an_accelerated_scan_are_refused(phantom):
    kspace = phantom.kspace(phantom.lines, phantom.pattern(2))
    with pytest.raises(DataError, match="23 are missing at R = 2"):
        run([kspace], phantom.scan(2))
    assert run([phantom.kspace(phantom.lines, phantom.pattern())], phantom.scan(2))


def test_the_image_lies_where_the_middle_readout_says(phantom):
    kspace = phantom.kspace(phantom.lines, phantom.pattern())
    head = kspace.head[0, 0, 0]
    head["position"], head["read_dir"], head["phase_dir"] = (1, 2, 3), (0, 1, 0), (1, 0, 0)
    head["measurement_uid"], head["acquisition_time_stamp"], head["idx"]["phase"] = 5, 77, 3
    (image,) = run([kspace], phantom.scan())
    assert image.head["position"].tolist() == [1, 2, 3]
    assert image.head["read_dir"].tolist() == [0, 1, 0]
    assert image.head["field_of_view"].tolist() == pytest.approx([32, 48, 5])
    assert image.head["matrix_size"].tolist() == [32, 48, 1]
    assert (int(image.head["measurement_uid"]), int(image.head["phase"])) == (5, 3)
    assert int(image.head["acquisition_time_stamp"]) == 77
