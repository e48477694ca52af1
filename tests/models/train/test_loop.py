"""The training loop: it learns, resumes where it was, and a team of one equals no team."""

from pathlib import Path

import pytest

from models.errors import ModelError
from models.nets.unrolled import Design
from models.train import corpus, loop, tasks
from models.train.recipe import Recipe, read, task, text
from models.train.state import rate
from tests.models.train.resuming import goes_on

TINY = Recipe(
    name="tiny",
    shards=1,
    shapes=((32, 16),),
    steps=8,
    batch=2,
    every=4,
    warmup=2,
    design=Design(iterations=1, widths=(4, 4, 8)),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 8)
    monkeypatch.setattr(loop, "JUDGED", (("cells", 20.0),))
    corpus.make(tmp_path / "corpus", 0, 1, [(32, 16)])
    return tmp_path


def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(folder):
    goes_on(lambda folder, tell: loop.train(TINY, folder, tell), folder, 8, 4)


def test_training_lowers_the_loss(folder):
    recipe = Recipe(**{**TINY.__dict__, "steps": 60, "rate": 3e-3})
    losses = []
    loop.train(recipe, folder, lambda step, loss: losses.append(loss))
    assert sum(losses[-8:]) < sum(losses[:8]) - 8 * 0.02


def test_the_learning_rate_rises_then_falls():
    rates = [rate(step, TINY.steps, TINY.warmup) for step in range(TINY.steps)]
    assert rates[0] == 0.5
    assert max(rates) == 1
    assert rates[-1] < 0.2


def test_a_recipe_survives_as_text(tmp_path):
    (tmp_path / "tiny.yml").write_text(text(TINY))
    assert read(tmp_path / "tiny.yml") == TINY


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path):
    (tmp_path / "odd.yml").write_text("name: odd\nmomentum: 3\n")
    with pytest.raises(ModelError, match=r"recipe odd.yml: .*momentum"):
        read(tmp_path / "odd.yml")


def test_every_recipe_of_the_project_is_read_by_its_task_and_survives_as_text(tmp_path):
    files = sorted((Path(loop.__file__).parent / "recipes").glob("*.yml"))
    assert {task(path) for path in files} == set(tasks.TASKS)
    for path in files:
        plan = tasks.find(path).read(path)
        (tmp_path / path.name).write_text(text(plan))
        assert tasks.find(tmp_path / path.name).read(tmp_path / path.name) == plan


def test_an_unknown_task_is_refused_by_name(tmp_path):
    (tmp_path / "odd.yml").write_text("name: odd\ntask: cooking\n")
    with pytest.raises(ModelError, match="task cooking, known are unrolled, denoise, dynamic, segmentation"):
        tasks.find(tmp_path / "odd.yml")
