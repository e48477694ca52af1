"""The denoiser of the project, and the noise that it was trained on."""

import math

import numpy as np
import pytest
import torch

from models.apply import apply
from models.runner import start
from models.train.denoise import corpus, loop, recipe
from models.train.denoise.noise import filtered, filters, reconstructed, spread
from models.train.recipe import text
from models.zoo import load


@pytest.fixture(scope="module")
def denoise():
    model = load("denoise-2d")
    backend = start(model)
    return lambda image, sd: apply(model, backend, image[None], sd)[0]


def white(*shape, seed=0):
    return torch.view_as_complex(torch.randn(*shape, 2, generator=torch.Generator().manual_seed(seed)))


def test_filters_leave_white_noise_its_sd_and_the_map_follows_any_other():
    random = np.random.default_rng(0)
    for size in (1.0, torch.linspace(0.5, 2, 48)[:, None].expand(48, 40).contiguous()):
        weights = filters(random, (48, 40))
        sd = size * torch.ones(48, 40)
        found = torch.view_as_real(filtered(white(300, 48, 40) * sd, weights)).square().mean((0, -1)).sqrt()
        assert float((found / spread(sd, weights)).mean()) == pytest.approx(1, abs=0.01)
    assert float(spread(torch.ones(48, 40), weights).mean()) == pytest.approx(1, abs=1e-3)


def test_the_noise_of_reconstructions_has_the_sd_that_is_said():
    draws = reconstructed(np.random.default_rng(1), (48, 40), 60)
    found = torch.view_as_real(draws.noise).square().mean((0, -1)).sqrt() / draws.sd
    assert float(found.mean()) == pytest.approx(1, abs=0.02)


def test_noise_alone_gives_no_anatomy(denoise):
    left = denoise(white(64, 64), torch.ones(64, 64))
    assert float(torch.view_as_real(left).square().mean().sqrt()) < 0.4
    assert float(left.abs().amax()) < 3


def test_what_it_takes_away_is_what_it_is_told(denoise):
    noise = white(64, 64)
    told = [denoise(noise, torch.full((64, 64), sd)).abs().square().mean() for sd in (0.3, 1.0)]
    assert told[0] > 1.5 * told[1]


@pytest.mark.parametrize(("radius", "contrast", "left"), [(1, 8, 0.6), (2, 8, 0.75), (4, 4, 0.75)])
def test_lesions_are_never_washed_out(denoise, radius, contrast, left):
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    object_ = 30.0 * (torch.hypot(y - 48.0, x - 48.0) < 40)
    discs = sum(
        ((y - cy).square() + (x - cx).square() <= radius**2).float()
        for cy in (32, 48, 64)
        for cx in (32, 48, 64)
    )
    kept = []
    for seed in range(2):
        image, sd = object_ + white(96, 96, seed=seed), torch.ones(96, 96)
        change = denoise(image + contrast * discs, sd) - denoise(image, sd)
        kept.append(float(change.real[discs > 0].mean()) / contrast)
    assert min(kept) > left


def test_a_held_out_family_gets_less_noise(denoise):
    random = np.random.default_rng(5)
    noisy, sd, clean = corpus.pair(
        random, corpus.thing(random, "cells"), reconstructed(random, corpus.SHAPE, 1), 15.0
    )
    image, truth = torch.complex(noisy[0], noisy[1]), torch.complex(clean[0], clean[1])
    left = (denoise(image, sd[0]) - truth).abs().square().mean()
    assert 10 * math.log10(float((image - truth).abs().square().mean() / left)) > 2.5


def test_a_recipe_survives_being_written(tmp_path):
    from dataclasses import replace
    from pathlib import Path

    plan = recipe.read(Path(loop.__file__).parent.parent / "recipes" / "denoise-2d.yml")
    path = tmp_path / "recipe.yml"
    path.write_text(text(replace(plan, steps=7)))
    assert recipe.read(path) == replace(plan, steps=7)
