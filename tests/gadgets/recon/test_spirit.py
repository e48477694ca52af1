"""SPIRiT against its own definition and against the truth."""

import math

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilImage, Reference
from gadgets.errors import DataError
from gadgets.recon.sparse.wavelet import Wavelet
from gadgets.recon.spirit import Spirit
from gadgets.recon.spirit.kernel import calibrate
from gadgets.recon.spirit.shrink import Sparsity
from gadgets.recon.spirit.solve import Agreement, Consistency

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
    way = Consistency(agreement=Agreement(field=field, shape=(1, 48, 32)), missing=missing)
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


def beating(phantom, white, frames):
    """A series with an ellipse that grows and shrinks, its noisy lines, and a reference of all frames."""
    y, x = phantom.grid()
    radii = 0.12 + 0.04 * torch.cos(2 * math.pi * torch.arange(frames) / 8)
    pools = (y[None] - 0.1) ** 2 + x[None] ** 2 < radii[:, None, None] ** 2
    truth = phantom.object + 50.0 * pools
    lines = [to_kspace(image * phantom.maps, (-2, -1)) + 3 * white(6, 48, 32) for image in truth]
    patterns = [phantom.pattern(3, offset=number % 3) for number in range(frames)]
    series = [phantom.kspace(*each) for each in zip(lines, patterns, strict=True)]
    return truth, [phantom.reference(torch.stack(lines).mean(0), LINES), *series]


def test_frames_that_share_their_coefficients_are_nearer_to_the_truth(phantom, white):
    truth, items = beating(phantom, white, 9)
    found = {}
    for number in (1, 4, 9):
        images = run(
            items, phantom.scan(3), weight=1.0, wavelet="db1", levels=1, frames=number, iterations=20
        )
        found[number] = torch.stack([each.data[:, 0] / each.notes["ScansideScale"] for each in images])
        assert [each.notes["ScansideSpirit"].partition("frames=")[2] for each in images] == (
            {1: [""] * 9, 4: ["4 temporal=5"] * 8 + [""], 9: ["9 temporal=5"] * 9}[number]
        )
    seen = truth[:, None] * phantom.maps
    errors = {number: error(images, seen) for number, images in found.items()}
    assert errors[9] < 0.8 * errors[1] and errors[4] < 0.85 * errors[1]
    change = error(found[9] - found[9].mean(0), seen - seen.mean(0))
    assert change < 0.8 * error(found[1] - found[1].mean(0), seen - seen.mean(0))


def test_frames_of_different_slices_are_never_made_sparse_together(phantom, white):
    lines = phantom.lines + 3 * white(6, 48, 32)
    other = 0.5 * phantom.lines.flip(-1) + 3 * white(6, 48, 32)
    sampled = phantom.pattern(3, LINES)
    slices = [(lines, 0), (other, 1)]
    references = [phantom.reference(each, LINES, number) for each, number in slices]
    frames = [phantom.kspace(each, sampled, number) for each, number in slices]
    both = run([*references, *frames, *frames], phantom.scan(3), weight=2.0, frames=2, iterations=5)
    alone = run([references[1], frames[1], frames[1]], phantom.scan(3), weight=2.0, frames=2, iterations=5)
    assert [int(each.head["slice"]) for each in both] == [0, 0, 1, 1]
    torch.testing.assert_close(both[2].data, alone[0].data)


def test_slices_in_turn_have_their_matrices_made_once(phantom):
    sampled = phantom.pattern(2, LINES)
    references = [phantom.reference(phantom.lines, LINES, number) for number in (0, 1)]
    frames = [phantom.kspace(phantom.lines, sampled, number) for number in (0, 1, 0, 1)]
    images = run([*references, *frames], phantom.scan(2), iterations=1)
    noises = [each.noise for each in images]
    assert noises[0] is noises[2] and noises[1] is noises[3] and noises[0] is not noises[1]


def test_with_thresholds_of_nothing_a_series_stays_what_it_was(white):
    series = white(3, 5, 1, 16, 12)
    still = Sparsity(wavelet=Wavelet(name="db2", levels=2), temporal=5.0)
    generator = torch.Generator().manual_seed(1)
    for number in (5, 4, 1):
        some = series[:, :number]
        torch.testing.assert_close(still.shrink(some, 0.0, generator), some, atol=1e-5, rtol=1e-5)


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
