import math

import pytest
import torch

from gadgets.arrays import to_image
from gadgets.data import CoilImage, Reference
from gadgets.errors import DataError
from gadgets.recon.fourier import Fourier
from gadgets.recon.grappa import Grappa
from gadgets.recon.grappa.calibration import ROUNDING, _regularized, calibrate
from gadgets.recon.grappa.kernel import groups
from gadgets.recon.grappa.steps import Steps
from gadgets.recon.grappa.weighting import variance

LINES = 20


def run(items, scan, **fields):
    out = list(Grappa(**fields).process(iter(items), scan))
    return [item for item in out if isinstance(item, CoilImage)]


def error(image, truth):
    return float(torch.linalg.vector_norm(image - truth) / torch.linalg.vector_norm(truth))


@pytest.mark.parametrize("acceleration", [2, 3])
def test_without_noise_the_missing_lines_come_back(phantom, acceleration):
    scan, sampled = phantom.scan(acceleration), phantom.pattern(acceleration)
    items = [phantom.reference(phantom.lines, LINES), phantom.kspace(phantom.lines, sampled)]
    (image,) = run(items, scan, regularization=1e-5)
    truth = phantom.object * phantom.maps / math.sqrt(acceleration)
    assert image.notes["ScansideScale"] == pytest.approx(1 / math.sqrt(acceleration))
    assert error(image.data[:, 0], truth) < 0.05


def test_r_1_gives_what_fourier_gives(phantom):
    kspace = phantom.kspace(phantom.lines, phantom.pattern())
    (image,) = run([kspace], phantom.scan())
    (same,) = Fourier().process(iter([kspace]), phantom.scan())
    assert torch.equal(image.data, same.data)


def test_the_kernel_solves_the_regularised_equations_of_all_reference_lines(phantom, white):
    acceleration, (width, used), weight = 2, (3, 2), 0.01
    lines = white(2, 9, 16)
    reference = phantom.reference(torch.nn.functional.pad(lines, (0, 0, 20, 19)), 9)
    kernel = calibrate(reference, Steps(1, acceleration), (width, used), weight)
    lines = reference.data[:, 0]
    rows = [
        torch.stack([lines[:, line + acceleration * j].roll(-d, -1) for d in (-1, 0, 1) for j in range(used)])
        for line in range(9 - acceleration)
    ]
    matrix = torch.stack(rows).permute(0, 3, 1, 2).reshape(-1, width * used * 2).to(torch.complex128)
    made = (
        torch.stack([lines[:, line + 1] for line in range(9 - acceleration)]).permute(0, 2, 1).reshape(-1, 2)
    )
    normal = matrix.mH @ matrix
    normal += weight * normal.diagonal().real.mean() * torch.eye(len(normal))
    expected = torch.linalg.solve(normal, matrix.mH @ made.to(torch.complex128))
    found = kernel.weights[0][:, :, 0].permute(0, 1, 3, 2).reshape(width * used * 2, 2)
    torch.testing.assert_close(found.to(torch.complex128), expected, atol=1e-5, rtol=0)


def test_over_x_the_convolution_along_k0_is_a_product(phantom, white):
    kernel = calibrate(phantom.reference(phantom.lines + white(6, 48, 32), LINES), Steps(1, 2), (5, 4), 1e-3)
    line = white(6, 32)
    product = torch.einsum("xij,jx->ix", kernel.over_x(32)[0][:, 1, 0], to_image(line))
    shifted = torch.stack([line.roll(-d, -1) for d in range(-2, 3)])
    convolved = to_image(torch.einsum("dij,djk->ik", kernel.weights[0][:, 1, 0], shifted))
    torch.testing.assert_close(product, convolved, atol=1e-4, rtol=0)


def test_transformed_lines_give_the_same_image(phantom, white):
    lines, sampled = phantom.lines + white(6, 48, 32), phantom.pattern(2)
    (plain,) = run([phantom.reference(lines, LINES), phantom.kspace(lines, sampled)], phantom.scan(2))
    over_x = to_image(lines)
    items = [
        phantom.reference(over_x, LINES, transformed=True),
        phantom.kspace(over_x, sampled, transformed=True),
    ]
    (same,) = run(items, phantom.scan(2))
    torch.testing.assert_close(same.data, plain.data, atol=1e-3, rtol=1e-4)


def test_acquired_reference_lines_are_put_back_on_demand(phantom, white):
    lines, sampled = phantom.lines + white(6, 48, 32), phantom.pattern(3, LINES)
    items = [phantom.reference(lines, LINES), phantom.kspace(lines, sampled)]
    truth = phantom.object * phantom.maps / math.sqrt(3)
    (kept,), (made,) = (run(items, phantom.scan(3), put_back=choice) for choice in (True, False))
    assert kept.notes["ScansideScale"] == made.notes["ScansideScale"]
    assert error(kept.data[:, 0], truth) < error(made.data[:, 0], truth)
    full = made.data[:, 0] * math.sqrt(3)
    alone = phantom.kspace(lines, phantom.pattern(3))
    (same,) = run([items[0], alone], phantom.scan(3), put_back=True)
    assert torch.equal(same.data[:, 0] * math.sqrt(3), full)


def test_shifted_lattices_share_one_kernel(phantom):
    items = [phantom.reference(phantom.lines, LINES)]
    items += [phantom.kspace(phantom.lines, phantom.pattern(3, offset=offset)) for offset in (0, 1, 2)]
    images = run(items, phantom.scan(3), regularization=1e-5)
    truth = phantom.object * phantom.maps / math.sqrt(3)
    assert all(error(image.data[:, 0], truth) < 0.05 for image in images)


def test_lines_beyond_the_limits_stay_zero(phantom):
    sampled = phantom.pattern(2)
    sampled[:12] = sampled[37:] = 0
    items = [phantom.reference(phantom.lines, LINES), phantom.kspace(phantom.lines, sampled)]
    limits = {"kspace_encode_step_1": phantom.scan().encodings[0].limits["kspace_encode_step_1"]}
    (image,) = run(items, phantom.scan(2, limits=limits))
    first, last = image.notes["ScansideSampledY"]
    assert (first, last) == ((11 - 24) / 24, (38 - 24) / 24)


@pytest.mark.parametrize("late", [False, True])
def test_images_wait_for_the_reference_lines_of_their_slice(phantom, late):
    sampled = phantom.pattern(2)
    images = [phantom.kspace(phantom.lines, sampled, number=i) for i in range(2)]
    references = [phantom.reference(phantom.lines, LINES, number=i) for i in (1, 0)]
    items = images + references if late else references + images
    out = list(Grappa().process(iter(items), phantom.scan(2)))
    order = [int(item.head["slice"]) for item in out if isinstance(item, CoilImage)]
    assert order == ([1, 0] if late else [0, 1])
    assert sum(isinstance(item, Reference) for item in out) == 2


def test_what_cannot_be_reconstructed_is_refused_by_name(phantom):
    kspace = phantom.kspace(phantom.lines, phantom.pattern(3))
    with pytest.raises(
        DataError,
        match=r"GRAPPA needs \(ky - 1\) R \+ 1 = 10 consecutive reference lines at R = 3, got 8",
    ):
        run([phantom.reference(phantom.lines, 8)], phantom.scan(3), kernel=(5, 4))
    with pytest.raises(DataError, match="no reference lines for slice 0"):
        run([kspace], phantom.scan(3))
    with pytest.raises(DataError, match="R = 4 x 6"):
        run([kspace], phantom.scan((4, 6)))
    with pytest.raises(DataError, match=r"lambda = 0.0 is too small"):
        run([phantom.reference(0 * phantom.lines, LINES)], phantom.scan(2), regularization=0.0)
    with pytest.raises(DataError, match="R = 7 x 1"):
        run([kspace], phantom.scan(7))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kept", [True, False])
def test_one_value_that_is_no_number_among_the_reference_lines_is_refused(phantom, value, kept):
    lines = phantom.lines.clone()
    lines[2, 24, 7] = value
    reference = phantom.reference(lines, LINES, notes={"ScansideNoise": "scan"})
    with pytest.raises(DataError, match="do not determine a kernel"):
        calibrate(reference, Steps(1, 2), (5, 4), None, kept=kept)


def test_a_regularisation_that_rounding_swallows_is_raised_and_no_scan_is_lost(phantom):
    mix = torch.randn(12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    alike = torch.einsum("cn,nyx->cyx", mix, phantom.lines[:2])
    reference = phantom.reference(alike, LINES)
    steps, size = Steps(k1=2, k2=1, shift=0), (5, 4, 1)
    with pytest.raises(DataError, match="too small"):
        calibrate(reference, steps, size, 1e-12)
    (group,) = groups(steps, size)
    weights, used = _regularized(reference, group, 5, 1e-12, ROUNDING)
    assert 1e-12 < used <= ROUNDING
    lines = phantom.lines.clone()
    lines[0, phantom.height // 2, 3] = math.nan
    with pytest.raises(DataError):
        known = phantom.reference(lines, LINES, notes={"ScansideNoise": "scan"})
        calibrate(known, steps, size, None, kept=False)
    assert bool(weights.isfinite().all())


def noisy(phantom, white, notes):
    lines = phantom.lines + white(phantom.coils, phantom.height, phantom.width)
    sampled = phantom.pattern(4, LINES)
    return [phantom.reference(lines, LINES, notes=notes), phantom.kspace(lines, sampled)]


@pytest.mark.parametrize("signal", [20.0, 60.0, 200.0])
def test_the_automatic_kernel_errs_less_than_gadgetrons(white, phantom, signal):
    scanner = type(phantom)(signal=signal)
    truth = scanner.object * scanner.maps / 2

    def errs(**fields):
        (image,) = run(noisy(scanner, white, {"ScansideNoise": "scan"}), scanner.scan(4), **fields)
        return error(image.data[:, 0], truth)

    assert errs() < 0.9 * errs(kernel=(5, 4), regularization=5e-4)


def test_known_noise_makes_the_kernel_more_careful(white, phantom):
    known, unknown = (
        run(noisy(phantom, white, {"ScansideNoise": source}), phantom.scan(4))[0].notes["ScansideGrappa"]
        for source in ("scan", "none")
    )
    assert unknown.endswith("lambda=0")
    assert float(known.rsplit("=", 1)[1]) > 0.01


def test_the_kernel_has_no_scale(white, phantom):
    lines = phantom.lines + white(phantom.coils, phantom.height, phantom.width)
    one, other = (
        calibrate(phantom.reference(factor * lines, LINES), Steps(1, 2), (5, 2), None) for factor in (1, 1e-5)
    )
    torch.testing.assert_close(one.weights[0], other.weights[0], atol=1e-4, rtol=1e-3)


def test_the_variance_of_rows_is_found_from_their_residuals():
    generator = torch.Generator().manual_seed(3)
    energy = torch.rand(20000, generator=generator).mul(8).exp()
    scatter = (3 + 0.05 * energy) * torch.empty(20000).exponential_(generator=generator)
    alpha, beta = variance(energy, scatter)
    assert alpha == pytest.approx(3, rel=0.05)
    assert beta == pytest.approx(0.05, rel=0.05)
