"""Series to train by: lines, images and matrices belong together, and the training learns and resumes."""

import numpy as np
import pytest
import torch

from models.nets.unrolled import Design
from models.operator import multiply
from models.train.dynamic import corpus, loop
from models.train.dynamic.masks import random_pattern
from models.train.dynamic.recipe import DynamicRecipe
from models.train.dynamic.samples import SHARE, centre, draw
from models.train.images import HELD_OUT
from models.train.machine import CPU
from tests.models.train.resuming import goes_on

SHAPE = (6, 48, 16)
TINY = DynamicRecipe(
    name="tiny",
    shards=1,
    shapes=(SHAPE,),
    steps=4,
    every=2,
    batch=2,
    warmup=1,
    design=Design(iterations=1, consistency="proximal", regulariser="frames", widths=(4, 4, 8), depth=1),
)


@pytest.fixture(scope="module")
def series():
    return draw(np.random.default_rng(4), SHAPE, "torso", 60.0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 4)
    monkeypatch.setattr(loop, "JUDGED", (("cells", 40.0),))
    corpus.make(tmp_path / "corpus", 0, 1, [SHAPE])
    return tmp_path


def test_patterns_have_as_many_lines_as_their_acceleration_says_and_change_with_time():
    random = np.random.default_rng(0)
    for _ in range(20):
        sampled = random_pattern(random, 96, 12)
        counts = sampled.sum(1)
        assert sampled.shape == (12, 96)
        assert 96 / 12 <= float(counts.float().mean()) <= 96 / 3.5
        assert not torch.equal(sampled[0], sampled[1])


def test_the_centre_of_what_all_frames_have_together_is_without_a_gap():
    there = torch.ones(64, dtype=torch.bool)
    assert centre(there) == range(20, 44)
    there[40] = False
    assert centre(there) == range(20, 40)


def test_families_that_judge_do_not_train():
    assert not set(SHARE) & {*HELD_OUT, "other photograph"}
    assert sum(SHARE.values()) == pytest.approx(1)


def test_the_exact_step_keeps_what_the_lines_say(series):
    ready = corpus.Ready.of(corpus.pack(series), CPU)
    start, adjoint, matrix, sd, target, support = ready.batch()
    assert start.shape == target.shape == (6, 2, 48, 16)
    assert sd.shape == support.shape == (6, 1, 48, 16)
    near = multiply(matrix, adjoint + target)
    far = multiply(matrix, adjoint + 0 * target)
    inside = support.expand_as(target) > 0
    assert (near - target)[inside].square().mean() < 0.3 * (far - target)[inside].square().mean()
    assert (start - target)[inside].square().mean() < target[inside].square().mean()


def test_a_mirrored_series_is_one_of_the_mirrored_object(series):
    ready = corpus.Ready.of(corpus.pack(series), CPU)
    plain, mirrored = ready.batch(), ready.batch(mirror=True)
    one, other = (multiply(each[2], each[1]) for each in (plain, mirrored))
    assert torch.allclose(one.flip(-1), other, atol=1e-5)


def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(folder):
    goes_on(lambda folder, tell: loop.train(TINY, folder, tell), folder, 4, 2)
