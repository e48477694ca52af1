"""C * K against the Fourier form, proximal steps against conjugate gradients, noise against replicas."""

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from models.errors import ModelError
from models.operator import (
    Adjoint,
    Coils,
    Transformed,
    circulant,
    columns,
    conjugate_gradients,
    dft,
    multiply,
    picture,
    proximal,
)
from models.simulation.coils import ring

X, Y, COILS = 24, 32, 6


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator))


def smooth(sets=1):
    fov = (0.3, 0.3)
    maps = torch.stack([ring(COILS, fov, 0.02 * n).maps((X, Y)) for n in range(sets)]).to(torch.complex64)
    maps = maps / torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    maps[..., :3, :] = 0
    return maps


def lines(name):
    index = torch.arange(Y)
    weights = ((index - Y // 2) % 3 == 0).float()
    weights[Y // 2 - 4 : Y // 2 + 4] = 1
    if name == "averages":
        weights *= 1 + index % 4
    if name == "partial Fourier":
        weights[:10] = 0
    if name == "random":
        weights = (torch.rand(Y, generator=torch.Generator().manual_seed(3)) < 0.4).float()
    return weights


MASKS = ("uniform", "averages", "partial Fourier", "random")


def fourier_form(maps, weights):
    return Transformed(
        maps=maps[:, :, None], weights=weights[:, None], axes=(-2,), to_kspace=to_kspace, to_image=to_image
    )


def distance(one, other):
    return float(torch.linalg.vector_norm(one - other) / torch.linalg.vector_norm(other))


@pytest.mark.parametrize("size", [31, 32])
def test_the_matrix_is_the_projects_transform(size):
    lines = random(4, size)
    assert distance((dft(size) @ lines[..., None])[..., 0], to_kspace(lines, (-1,))) < 1e-6
    assert distance(circulant(torch.ones(size)), torch.eye(size, dtype=torch.complex64)) < 1e-6


@pytest.mark.parametrize("sets", [1, 2])
@pytest.mark.parametrize("mask", MASKS)
def test_one_matrix_for_each_column_equals_the_fourier_form(mask, sets):
    maps, weights, image = smooth(sets), lines(mask), random(sets, Y, X)
    normal = Coils.of(maps).normal(weights)
    product = picture((normal @ columns(image)[..., None])[..., 0], sets)
    assert distance(product, fourier_form(maps, weights).normal(image[:, None])[:, 0]) < 1e-5


@pytest.mark.parametrize("mask", MASKS)
def test_the_operator_is_hermitian_and_positive_and_at_most_the_largest_weight(mask):
    normal = Coils.of(smooth()).normal(lines(mask))
    assert distance(normal.mH, normal) < 1e-6
    eigenvalues = torch.linalg.eigvalsh(normal.to(torch.complex128))
    assert eigenvalues.min() > -1e-6
    assert eigenvalues.max() < float(lines(mask).max()) + 1e-5


def test_the_adjoint_is_one():
    maps, weights, image, data = smooth(), lines("averages"), random(1, Y, X), random(COILS, Y, X, seed=1)
    form = fourier_form(maps, weights)
    forward = form.forward(image[:, None])[:, 0] * weights[:, None]
    left = torch.vdot(forward.flatten(), data.flatten())
    right = torch.vdot(image.flatten(), Coils.of(maps).adjoint(data, weights).flatten())
    assert abs(left - right) < 1e-5 * abs(left)


def test_readouts_add_up_to_the_adjoint_however_they_come_in_groups():
    coils, weights = Coils.of(smooth()), lines("averages")
    order = [line for line in range(Y) for _ in range(int(weights[line]))]
    order = [order[n] for n in torch.randperm(len(order), generator=torch.Generator().manual_seed(2))]
    readouts = random(len(order), COILS, X)
    mean = torch.zeros(COILS, Y, X, dtype=torch.complex64)
    for readout, line in zip(readouts, order, strict=True):
        mean[:, line] += readout / weights[line]
    whole, parts = Adjoint.empty(COILS, Y, X), Adjoint.empty(COILS, Y, X)
    whole.add(readouts, order)
    for first in range(0, len(order), 5):
        parts.add(readouts[first : first + 5], order[first : first + 5])
    assert torch.equal(whole.images, parts.images)
    assert torch.equal(whole.weights, weights)
    assert distance(coils.combine(whole.images), coils.adjoint(mean, weights)) < 1e-5


@pytest.mark.parametrize("sets", [1, 2])
@pytest.mark.parametrize("mask", MASKS)
def test_the_proximal_step_equals_converged_conjugate_gradients(mask, sets):
    maps, weights = smooth(sets), lines(mask)
    coils, form = Coils.of(maps), fourier_form(maps, weights)
    right, prior = coils.adjoint(random(COILS, Y, X), weights), random(sets, Y, X, seed=4)
    step = proximal(coils.normal(weights), 0.05, sets)
    converged = form.proximal(right[:, None], prior[:, None], 0.05, iterations=400)[:, 0]
    assert distance(step(right, prior), converged) < 1e-4


def test_the_two_channel_form_equals_the_complex_one_for_one_mask_and_for_many():
    coils = Coils.of(smooth())
    steps = [proximal(coils.normal(lines(mask)), 0.1) for mask in MASKS]
    images = random(len(steps), 1, Y, X)
    real = torch.view_as_real(images[:, 0]).permute(0, 3, 1, 2)
    expected = torch.cat([step(image) for step, image in zip(steps, images, strict=True)])
    many = multiply(torch.stack([step.channels() for step in steps]), real)
    assert distance(torch.complex(many[:, 0], many[:, 1]), expected) < 1e-5
    one = multiply(steps[0].channels(), real)
    expected = torch.cat([steps[0](image) for image in images])
    assert distance(torch.complex(one[:, 0], one[:, 1]), expected) < 1e-5


@pytest.mark.parametrize("mask", MASKS)
def test_the_noise_map_is_that_of_500_replicas(mask):
    coils, weights = Coils.of(smooth()), lines(mask)
    step = proximal(coils.normal(weights), 0.05)
    noise = random(500, COILS, Y, X) / weights.clamp(min=1).sqrt()[:, None] * (weights > 0)[:, None]
    images = torch.stack([step(coils.adjoint(data, weights)) for data in noise])
    measured = torch.view_as_real(images).square().mean((0, -1))
    exact = step.sd().square()
    blocks = [torch.nn.functional.avg_pool2d(each, 8) for each in (measured, exact)]
    assert ((blocks[0] / blocks[1]).sqrt() - 1).abs().max() < 0.03
    assert (step.sd()[:, :3] == 0).all()


def test_conjugate_gradients_stop_when_the_residual_is_small():
    calls = []

    def apply(image):
        calls.append(1)
        return 2 * image

    right = random(3, 3)
    found = conjugate_gradients(apply, right, torch.zeros_like(right), 50)
    assert distance(found, right / 2) < 1e-6
    assert len(calls) < 5


def test_wrong_line_weights_and_weights_of_the_prior_are_refused():
    coils = Coils.of(smooth())
    with pytest.raises(ModelError, match=r"line weights are \(5,\), expected \(32,\)"):
        coils.normal(torch.ones(5))
    with pytest.raises(ModelError, match="is 0, expected above 0"):
        proximal(coils.normal(lines("uniform")), 0)
