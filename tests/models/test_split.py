"""Split mode: data consistency outside of the network gives what the whole graph gives."""

import numpy as np
import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from models.errors import ModelError
from models.nets.unrolled import Design, Unrolled
from models.operator import Coils, Transformed, proximal
from models.split import unrolled
from models.train.coils import random_coils
from models.train.fields import window

Y, X, WEIGHT = 32, 24, 0.3


def test_split_mode_is_the_whole_graph():
    random = np.random.default_rng(2)
    maps = random_coils(random, window(random, Y, X))
    maps = (maps / torch.linalg.vector_norm(maps, dim=0))[None]
    lines = (torch.arange(Y) % 3 == 0).float()
    coils = Coils.of(maps)
    generator = torch.Generator().manual_seed(0)
    kspace = torch.complex(*torch.randn(2, maps.shape[1], Y, X, generator=generator))
    step = proximal(coils.normal(lines), WEIGHT)
    adjoint = coils.adjoint(kspace, lines)
    linear = step(adjoint)
    torch.manual_seed(0)
    network = Unrolled(Design(iterations=2, consistency="proximal", widths=(4, 4, 8)))
    network.requires_grad_(requires_grad=False)
    channels = [torch.cat([image.real, image.imag])[None] for image in (linear, adjoint / WEIGHT)]
    sd = step.sd()[None]
    whole = network(*channels, WEIGHT * step.channels(), sd)[0]
    operator = Transformed(
        maps=maps[:, :, None],
        weights=lines[:, None],
        axes=(-2,),
        to_kspace=to_kspace,
        to_image=to_image,
    )
    found = unrolled(network, operator, adjoint[:, None], linear[:, None], sd[0, 0], WEIGHT, 60)[0, 0]
    assert torch.allclose(found.real, whole[0], atol=2e-4)
    assert torch.allclose(found.imag, whole[1], atol=2e-4)


def test_a_network_without_exact_steps_is_refused():
    with pytest.raises(ModelError, match="gradient"):
        unrolled(Unrolled(Design(widths=(4, 4, 8))), None, None, torch.zeros(1, 1, 8, 8), None, 1.0)
