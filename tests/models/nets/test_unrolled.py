"""Unrolled networks: homogeneous, of real numbers, consistent with the data by their design."""

import pytest
import torch

from models.nets.unrolled import Design, Unrolled
from models.operator import Coils, multiply, proximal
from models.train.coils import random_coils
from models.train.fields import window

Y, X, WEIGHT = 32, 24, 0.1
DESIGNS = (
    Design(),
    Design(iterations=2, shared=True, consistency="proximal", regulariser="plain", widths=(8, 8, 8)),
    Design(iterations=1, consistency="none", widths=(8, 8, 16)),
)


@pytest.fixture
def given():
    import numpy as np

    random = np.random.default_rng(1)
    maps = random_coils(random, window(random, Y, X))
    maps = (maps / torch.linalg.vector_norm(maps, dim=0))[None]
    weights = (torch.arange(Y) % 2 == 0).float()
    step = proximal(Coils.of(maps).normal(weights), WEIGHT)
    generator = torch.Generator().manual_seed(0)
    linear, adjoint = torch.randn(2, 2, 2, Y, X, generator=generator)
    return linear, adjoint, step.channels(), step.sd()[None].expand(2, -1, -1, -1)


def model(design, seed=0):
    torch.manual_seed(seed)
    made = Unrolled(design)
    with torch.no_grad():
        for weight in made.regularisers.parameters():
            weight.mul_(1.5)
    return made


@pytest.mark.parametrize("design", DESIGNS)
def test_a_network_is_homogeneous_so_that_no_unit_matters(design, given):
    linear, adjoint, matrix, sd = given
    net = model(design)
    with torch.no_grad():
        once = net(linear, adjoint, matrix, sd)
        large = net(50 * linear, 50 * adjoint, matrix, 50 * sd)
    assert torch.allclose(large, 50 * once, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(once, linear, atol=1e-2)


@pytest.mark.parametrize("design", DESIGNS)
def test_one_mask_for_all_and_a_mask_for_each_image_agree(design, given):
    linear, adjoint, matrix, sd = given
    net = model(design)
    with torch.no_grad():
        shared = net(linear, adjoint, matrix, sd)
        many = net(linear, adjoint, matrix.expand(2, -1, -1, -1), sd)
    assert torch.allclose(shared, many, rtol=1e-4, atol=1e-4)


def test_images_of_a_batch_do_not_know_of_each_other(given):
    linear, adjoint, matrix, sd = given
    net = model(Design())
    with torch.no_grad():
        both = net(linear, adjoint, matrix, sd)
        one = net(linear[:1], adjoint[:1], matrix, sd[:1])
    assert torch.allclose(both[:1], one, rtol=1e-4, atol=1e-5)


def test_a_gradient_step_without_regulariser_is_steepest_descent(given):
    linear, adjoint, matrix, sd = given
    net = model(Design(iterations=1))
    with torch.no_grad():
        for weight in net.regularisers.parameters():
            weight.zero_()
        net.steps.copy_(torch.tensor([0.5, 0.0]))
        found = net(linear, adjoint, matrix, sd)
    size = Y
    columns = torch.complex(linear[:, 0], linear[:, 1]).permute(0, 2, 1)
    full = torch.complex(matrix[..., :size], matrix[..., size:]).mT
    product = torch.einsum("xij,bxj->bxi", full, columns).permute(0, 2, 1)
    expected = linear - 0.5 * (torch.stack([product.real, product.imag], 1) - adjoint)
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_proximal_step_without_regulariser_is_the_exact_one(given):
    linear, adjoint, matrix, sd = given
    net = model(Design(iterations=1, consistency="proximal"))
    with torch.no_grad():
        for weight in net.regularisers.parameters():
            weight.zero_()
        net.steps.copy_(torch.tensor([1.0, 0.0]))
        found = net(linear, adjoint / WEIGHT, WEIGHT * matrix, sd)
        expected = multiply(matrix, adjoint + WEIGHT * linear)
    assert torch.allclose(found, expected, atol=1e-4)


def test_shared_iterations_have_the_weights_of_one():
    count = [
        sum(weight.numel() for weight in Unrolled(Design(shared=shared)).regularisers.parameters())
        for shared in (True, False)
    ]
    assert 3 * count[0] == count[1]
