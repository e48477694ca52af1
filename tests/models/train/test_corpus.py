"""The training corpus: what it holds is what a scanner would have, and it follows from its seed."""

import numpy as np
import pytest
import torch

from models.operator import Coils
from models.train import corpus
from models.train.coils import estimate, low_resolution, random_coils
from models.train.fields import window
from models.train.images import FAMILIES, HELD_OUT
from models.train.masks import Pattern, random_pattern, scattered, uniform
from models.train.samples import SHARE, draw, observe

SHAPE = (48, 24)


@pytest.mark.parametrize("family", [*FAMILIES, *HELD_OUT])
def test_every_family_draws_images_that_are_finite_and_not_negative(family):
    for seed in range(4):
        random = np.random.default_rng(seed)
        image = {**FAMILIES, **HELD_OUT}[family](random, window(random, 64, 32))
        assert image.shape == (64, 32)
        assert torch.isfinite(image).all()
        assert image.min() >= -1e-6


def test_families_that_judge_do_not_train():
    assert not set(SHARE) & set(HELD_OUT)
    assert "other photograph" not in SHARE
    assert sum(SHARE.values()) == pytest.approx(1)


def test_the_same_seed_draws_the_same_sample():
    one, other = (draw(np.random.default_rng(5), SHAPE, "head") for _ in range(2))
    assert torch.equal(one.linear, other.linear)
    assert one.tags == other.tags


def test_noise_has_the_map_that_the_sample_says():
    random = np.random.default_rng(3)
    coils = random_coils(random, window(random, *SHAPE))
    images = coils * 20
    pattern = uniform(SHAPE[0], 3, 16)
    measured, stated = [], []
    for _ in range(100):
        sample = observe(random, images, coils, pattern, {})
        measured.append(sample.linear[1].square().mean() * sample.scale**2)
        stated.append(sample.sd.square().mean() * sample.scale**2)
    assert np.sqrt(np.mean(measured) / np.mean(stated)) == pytest.approx(1, abs=0.03)


def test_signal_and_noise_add_up_to_the_linear_equations():
    sample = draw(np.random.default_rng(8), SHAPE, "tissues")
    _, adjoint, matrix, _, target, _ = corpus.inputs(corpus.pack(sample))
    assert adjoint.shape == target.shape == (2, *SHAPE)
    normal = Coils.of(sample.maps[None]).normal(sample.weights)
    assert torch.allclose(matrix[..., : SHAPE[0]], normal.real, atol=2e-3)


def test_estimated_maps_equal_true_ones_up_to_phase_where_the_lines_resolve_them():
    random = np.random.default_rng(0)
    coils = random_coils(random, window(random, 64, 32))
    unit = coils / torch.linalg.vector_norm(coils, dim=0)
    from models.operator import dft

    found = estimate(low_resolution(dft(64) @ coils, range(16, 48)), 0.0)
    along = (found.conj() * unit).sum(0).abs()
    assert along.median() > 0.99


def test_patterns_hold_their_reference_lines_and_as_many_lines_as_their_acceleration_says():
    random = np.random.default_rng(1)
    for _ in range(50):
        pattern = random_pattern(random, 96)
        assert isinstance(pattern, Pattern)
        assert (pattern.weights[pattern.reference.start : pattern.reference.stop] == 1).all()
    assert scattered(random, 96, 4, 24).weights.sum() == 24 + 18
    assert uniform(96, 4, 24).weights.sum() == 24 + 18


def test_shards_are_made_once_and_give_batches_of_all_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 4)
    told = []
    corpus.make(tmp_path, 0, 2, [SHAPE, (40, 16)], told.append)
    before = (tmp_path / "00001.pt").stat().st_mtime_ns
    corpus.make(tmp_path, 0, 2, [SHAPE, (40, 16)])
    assert told == [1, 2]
    assert (tmp_path / "00001.pt").stat().st_mtime_ns == before
    found = list(corpus.batches(corpus.load(tmp_path, 1), 2, np.random.default_rng(0)))
    assert len(found) == 2
    assert found[0][0].shape == (2, 2, 40, 16)
    assert found[0][2].shape == (2, 16, 40, 80)
