"""SPIRiT against its own definition and against the truth."""

import math

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilImage, Reference
from gadgets.errors import DataError
from gadgets.recon.spirit import Spirit
from gadgets.recon.spirit.kernel import calibrate
from gadgets.recon.spirit.solve import Consistency

LINES = 20


def run(items, scan, **fields):
    return [one for one in Spirit(**fields).process(iter(items), scan) if isinstance(one, CoilImage)]


def error(image, truth):
    return float(torch.linalg.vector_norm(image - truth) / torch.linalg.vector_norm(truth))


def test_the_kernel_of_each_coil_solves_its_regularised_equations(white):
    lines, weight, kernel = white(3, 1, 9, 10), 0.02, 3
    field = calibrate(lines, kernel, weight)
    rows = lines[:, 0].unfold(1, 3, 1).unfold(2, 3, 1).permute(1, 2, 0, 3, 4).reshape(-1, 27)
    rows = rows.to(torch.complex128)
    ridge = weight * float((rows.mH @ rows).diagonal().real.mean())
    for coil in range(3):
        own = coil * 9 + 4
        rest = [index for index in range(27) if index != own]
        some = rows[:, rest]
        expected = torch.linalg.solve(some.mH @ some + ridge * torch.eye(26), some.mH @ rows[:, own])
        found = field.lags[:, coil].flatten()
        assert found[own] == 0
        torch.testing.assert_close(found[rest].to(torch.complex128), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 12, 10), (4, 9, 8)])
def test_over_the_image_the_kernel_is_the_convolution_of_kspace(white, shape):
    planes = 5 if shape[0] > 1 else 1
    field = calibrate(white(2, planes, 9, 9), 3, 0.01)
    image = white(2, *shape)
    lines = to_kspace(image, (-3, -2, -1))
    expected = torch.zeros_like(lines)
    sizes = field.lags.shape[2:]
    for at in [(a, b, c) for a in range(sizes[0]) for b in range(sizes[1]) for c in range(sizes[2])]:
        moved = lines.roll([-(lag - size // 2) for lag, size in zip(at, sizes, strict=True)], (1, 2, 3))
        expected += torch.einsum("cr,czyx->rzyx", field.lags[(..., *at)], moved)
    matrices = torch.cat([part.flatten(2) for part in field.at(shape)], 2)
    found = torch.einsum("crp,cp->rp", matrices, image.flatten(1)).reshape(image.shape)
    torch.testing.assert_close(to_kspace(found, (-3, -2, -1)), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("acceleration", [2, 3])
def test_without_noise_the_missing_lines_come_back(phantom, acceleration):
    sampled = phantom.pattern(acceleration, LINES)
    items = [phantom.reference(phantom.lines, LINES), phantom.kspace(phantom.lines, sampled)]
    (image,) = run(items, phantom.scan(acceleration), regularization=1e-4)
    scale = math.sqrt(float(sampled.float().mean()))
    assert image.notes["ScansideScale"] == pytest.approx(scale)
    assert error(image.data[:, 0], phantom.object * phantom.maps * scale) < 0.06
    kept = to_kspace(image.data[:, 0] / scale, (-2, -1))[:, sampled > 0]
    torch.testing.assert_close(kept, phantom.lines[:, sampled > 0], atol=1e-2, rtol=1e-3)


def test_the_solution_is_the_least_inconsistent_one(phantom, white):
    field = calibrate(phantom.lines[:, None, 14:34, 6:26], 5, 0.01)
    missing = (phantom.pattern(2) == 0)[None]
    way = Consistency(field=field, shape=(1, 48, 32), missing=missing)
    start = to_image((phantom.lines * ~missing[0, :, None])[:, None], (-2, -1))
    found = way.solve(start, 400, 1e-6)
    gradient = way.made(way.inconsistency(found))
    before = way.made(way.inconsistency(start))
    assert float(gradient.abs().max()) < 1e-3 * float(before.abs().max())
    other = found + 0.01 * way.made(white(6, 1, 48, 32))
    energies = [float((one.conj() * way.inconsistency(one)).sum().real) for one in (found, other)]
    assert energies[0] < energies[1]


def test_wavelets_common_to_the_coils_lower_the_error_of_noisy_images(phantom, white):
    sampled = phantom.pattern(3, LINES)
    lines = phantom.lines + 3 * white(6, 48, 32)
    items = [phantom.reference(lines, LINES), phantom.kspace(lines, sampled)]
    (linear,) = run(items, phantom.scan(3))
    (sparse,) = run(items, phantom.scan(3), weight=3.0)
    truth = phantom.object * phantom.maps * linear.notes["ScansideScale"]
    assert error(sparse.data[:, 0], truth) < 0.9 * error(linear.data[:, 0], truth)
    assert sparse.notes["ScansideNoiseOf"] == "linear"
    assert "ScansideNoiseOf" not in linear.notes


def test_the_noise_of_the_linear_image_is_that_of_other_replicas(phantom, white):
    sampled = phantom.pattern(2, LINES)
    lines = phantom.lines + white(6, 48, 32)
    noises = [phantom.kspace(white(6, 48, 32), sampled) for _ in range(60)]
    images = run([phantom.reference(lines, LINES), *noises], phantom.scan(2))
    weights = phantom.maps.conj()[:, None]
    found = torch.stack([(weights * image.data).sum(0) for image in images]).abs().square().mean(0) / 2
    ratio = found.sqrt() / images[0].noise.sd(weights)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.03)
    blocks = ratio[0].reshape(6, 8, 4, 8).square().mean((1, 3)).sqrt()
    assert float((blocks - 1).abs().max()) < 0.12


def test_transformed_lines_give_the_same_image_and_references_pass(phantom, white):
    lines, sampled = phantom.lines + white(6, 48, 32), phantom.pattern(2, LINES)
    over_x = to_image(lines)
    plain, same = (
        list(Spirit().process(iter(items), phantom.scan(2)))
        for items in (
            [phantom.reference(lines, LINES), phantom.kspace(lines, sampled)],
            [
                phantom.reference(over_x, LINES, transformed=True),
                phantom.kspace(over_x, sampled, transformed=True),
            ],
        )
    )
    assert isinstance(plain[0], Reference)
    torch.testing.assert_close(plain[1].data, same[1].data, atol=1e-2, rtol=1e-3)


def test_what_cannot_be_is_refused(phantom):
    with pytest.raises(DataError, match="no reference lines for slice 0"):
        run([phantom.kspace(phantom.lines, phantom.pattern(2))], phantom.scan(2))
    with pytest.raises(DataError, match="at least 5 reference lines .* got 1 x 4 x"):
        run([phantom.reference(phantom.lines, 4)], phantom.scan(2))
    with pytest.raises(ValueError, match="kernel is 4, expected an odd number"):
        Spirit(kernel=4)
