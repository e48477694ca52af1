"""The training corpus: what it holds is what a scanner would have, and it follows from its seed."""

import numpy as np
import pytest
import torch

from models.operator import Coils, multiply
from models.train import corpus
from models.train.coils import estimate, low_resolution, random_coils
from models.train.fields import window
from models.train.images import FAMILIES, HELD_OUT
from models.train.lesions import add_lesions
from models.train.masks import Pattern, random_pattern, scattered, uniform
from models.train.samples import RICH, SHARE, draw, kept, observe
from models.train.stock import Stock

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
    for shares in (SHARE, RICH):
        assert not set(shares) & {*HELD_OUT, "other photograph"}
        assert sum(shares.values()) == pytest.approx(1)


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
    _, adjoint, matrix, _, target, _ = corpus.inputs(corpus.pack(sample), exact=False)
    assert adjoint.shape == target.shape == (2, *SHAPE)
    normal = Coils.of(sample.maps[None]).normal(sample.weights)
    assert torch.allclose(matrix[..., : SHAPE[0]], normal.real, atol=2e-3)


def test_the_exact_step_that_is_stored_solves_its_equations():
    sample = draw(np.random.default_rng(8), SHAPE, "tissues")
    weight = sample.exact.weight
    linear, adjoint, matrix, *_ = (each[None] for each in corpus.inputs(corpus.pack(sample), exact=True))
    found = multiply(matrix, adjoint + linear)[0]
    normal = Coils.of(sample.maps[None]).normal(sample.weights)
    image = torch.complex(found[0], found[1])
    prior = torch.complex(linear[0, 0], linear[0, 1])
    left = (normal @ image.T[..., None])[..., 0].T + weight * image
    right = weight * (torch.complex(adjoint[0, 0], adjoint[0, 1]) + prior)
    assert (left - right).abs().max() < 0.01 * right.abs().max()


def test_of_the_noise_the_target_keeps_what_an_ordinary_scan_would_have_had():
    assert kept(1000) == 1
    assert kept(10) < 0.02
    random = np.random.default_rng(0)
    ordinary = np.exp(random.uniform(np.log(60), np.log(150), 200_000))
    for peak in (30, 70, 100, 140):
        assert kept(peak) == pytest.approx(np.minimum(1, (peak / ordinary) ** 2).mean(), abs=0.005)
    sample = draw(random, SHAPE, "head", 100.0)
    *_, target, _ = corpus.inputs(corpus.pack(sample), exact=True)
    noise = (target - sample.target)[:, sample.maps.abs().amax(0) > 0] * sample.scale
    share = float((sample.weights > 0).float().mean().sqrt())
    assert float(noise.square().mean().sqrt()) == pytest.approx(sample.kept * share, rel=0.1)


def test_lesions_are_small_and_keep_the_phase():
    random = np.random.default_rng(2)
    image = torch.polar(torch.ones(64, 48), torch.linspace(-1, 1, 48).expand(64, -1))
    found = add_lesions(random, image)
    assert torch.allclose(found.angle()[found.abs() > 0.1], image.angle()[found.abs() > 0.1], atol=1e-4)
    changed = ((found - image).abs() > 0.02).float().mean()
    assert 0.01 < float(changed) < 0.3


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
    corpus.make(tmp_path, 0, 2, [SHAPE, (40, 16)], 1, told.append)
    before = (tmp_path / "00001.pt").stat().st_mtime_ns
    corpus.make(tmp_path, 0, 2, [SHAPE, (40, 16)], 1)
    assert told == [1, 2]
    assert (tmp_path / "00001.pt").stat().st_mtime_ns == before
    stock = Stock.of(corpus.load(tmp_path, 1), torch.device("cpu"), exact=True)
    found = list(stock.batches(2, np.random.default_rng(0)))
    assert len(found) == 2
    assert found[0][0].shape == (2, 2, 40, 16)
    assert found[0][2].shape == (2, 16, 40, 80)


def test_processes_beside_each_other_make_the_same_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 2)
    for jobs in (1, 2):
        corpus.make(tmp_path / str(jobs), 0, 2, [SHAPE], 1, jobs=jobs)
    for index in range(2):
        one, other = (corpus.load(tmp_path / str(jobs), index) for jobs in (1, 2))
        for sample, same in zip(one, other, strict=True):
            assert all(torch.equal(sample[name], same[name]) for name in sample)


def test_a_batch_that_is_not_varied_is_what_the_samples_give():
    samples = [corpus.pack(draw(np.random.default_rng(seed), SHAPE, "tissues")) for seed in range(2)]
    for exact in (False, True):
        stock = Stock.of(samples, torch.device("cpu"), exact=exact)
        found = stock.varied(np.array([1]), np.array([[1.0, 0.0, 0.0, 0.0]]))
        mirrored = stock.varied(np.array([1]), np.array([[1.0, 0.0, 0.0, 1.0]]))
        for part, other, expected in zip(
            found, mirrored, corpus.inputs(samples[1], exact=exact), strict=True
        ):
            torch.testing.assert_close(part[0], expected, atol=1e-6, rtol=1e-5)
            along = -1 if part.shape[-1] == SHAPE[1] else 1
            assert torch.equal(other, part.flip(along))
