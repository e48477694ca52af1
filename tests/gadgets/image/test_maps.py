import pytest
import torch

from gadgets.image.maps import adaptive, expand, from_image, from_reference, interpolate


@pytest.mark.parametrize("source", ["reference", "image"])
def test_maps_are_those_of_the_coils_up_to_a_phase(phantom, source):
    if source == "reference":
        coarse = from_reference(phantom.reference(phantom.lines, 24))
    else:
        coarse = from_image((phantom.object * phantom.maps)[:, None])
    maps = expand(coarse, (phantom.height, phantom.width))[:, 0]
    inside = phantom.object > 0
    agreement = (maps.conj() * phantom.maps).sum(0).abs()[inside]
    assert float(agreement.mean()) > 0.995
    torch.testing.assert_close(torch.linalg.vector_norm(maps, dim=0), torch.ones(48, 32))


def test_noise_free_maps_of_one_covariance_are_its_dominant_eigenvector(white):
    vector = white(5)
    images = vector[:, None, None] * white(12, 10)
    maps = adaptive(images)
    agreement = (maps * vector.conj()[:, None, None]).sum(0).abs() / torch.linalg.vector_norm(vector)
    torch.testing.assert_close(agreement, torch.ones(12, 10))


def test_maps_of_nothing_are_finite_and_of_unit_length():
    maps = expand(from_image(torch.zeros(3, 1, 16, 12, dtype=torch.complex64)), (16, 12))
    torch.testing.assert_close(torch.linalg.vector_norm(maps, dim=0), torch.ones(1, 16, 12))


@pytest.mark.parametrize(("have", "size"), [(8, 16), (9, 16), (16, 9), (7, 7)])
def test_interpolation_keeps_straight_lines_and_the_centre(have, size):
    line = (torch.arange(have) - have // 2) / have
    out = interpolate(line, -1, size)
    expected = ((torch.arange(size) - size // 2) / size).clamp(float(line[0]), float(line[-1]))
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_maps_in_the_strides_of_the_images_are_the_same_maps(phantom):
    coarse = from_image((phantom.object * phantom.maps)[:, None])
    shape = phantom.height, phantom.width
    turned = torch.empty(len(coarse), 1, *shape[::-1], dtype=torch.complex64).transpose(-1, -2)
    found = expand(coarse, shape, turned)
    assert found.stride() == turned.stride()
    assert torch.equal(found, expand(coarse, shape))
