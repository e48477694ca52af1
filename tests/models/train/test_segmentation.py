"""Training of a segmentation network: it goes on where it was, with shards drawn before or meanwhile."""

import hashlib
import time
from dataclasses import replace

import pytest
import torch

from models import zoo
from models.card import Card
from models.errors import ModelError
from models.nets.segmenter import Segmenter, SegmenterDesign
from models.train import machine, tasks
from models.train.machine import Machine
from models.train.shortaxis import corpus, loop
from models.train.shortaxis.recipe import SegmentationRecipe
from tests.models.train.resuming import goes_on

SMALL = SegmenterDesign(kind="segmenter", widths=(4, 4, 8, 8), frames=3)
TINY = SegmentationRecipe(name="tiny", shards=2, steps=8, every=4, batch=4, window=32, warmup=2, design=SMALL)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 8)
    monkeypatch.setattr(loop, "JUDGED", 4)


def trained(recipe, folder, jobs=1):
    """All that a training told, [step, loss], and how many shards were there when it told so."""
    folder.mkdir()
    told, made = [], []
    task = tasks.TASKS["segmentation"]
    task.run(recipe, folder, made.append, lambda *each: told.append(each), Machine(jobs=jobs))
    return told, made


def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    corpus.make(tmp_path / "corpus", TINY.seed, TINY.shards)
    goes_on(lambda folder, tell: loop.train(TINY, folder, tell), tmp_path, 8, 4)


def test_every_shard_is_learned_from_once_in_a_pass():
    recipe = replace(TINY, shards=5)
    seen = [loop.shard_at(recipe, step) for step in range(0, 20, 2)]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 1, 2, 3, 4]


def test_a_shard_joins_after_so_many_steps_and_is_learned_from_then():
    recipe = replace(TINY, shards=5, fresh=10)
    seen = [loop.shard_at(recipe, step) for step in range(0, 200, 2)]
    assert all(index <= min(2 * place // 10, 4) for place, index in enumerate(seen))
    assert [seen[place] for place in (0, 5, 10, 15, 20)] == [0, 1, 2, 3, 4]
    assert set(seen[20:]) == {0, 1, 2, 3, 4}


def test_a_corpus_that_grows_teaches_the_same_however_long_it_takes(tmp_path):
    recipe = replace(TINY, fresh=4)
    told, made = trained(recipe, tmp_path / "growing", jobs=2)
    assert max(made) == 2
    corpus.make(tmp_path / "whole" / "corpus", recipe.seed, recipe.shards)
    again = []
    loop.train(recipe, tmp_path / "whole", lambda *each: again.append(each))
    assert [step for step, _ in told] == list(range(1, 9))
    assert [loss for _, loss in told] == pytest.approx([loss for _, loss in again], rel=1e-4)
    (tmp_path / "whole" / "corpus" / "00001.pt").unlink()
    (tmp_path / "whole" / "checkpoint.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"00001\.pt"):
        loop.train(recipe, tmp_path / "whole")


def test_a_shard_that_cannot_be_written_ends_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_write", cannot)
    with pytest.raises(RuntimeError, match="no room"):
        trained(replace(TINY, fresh=4), tmp_path / "tiny")


def cannot(*_):
    raise RuntimeError("no room")


def test_a_training_does_not_wait_beyond_its_deadline_for_a_shard(tmp_path, monkeypatch):
    corpus.make(tmp_path / "corpus", TINY.seed, 1)
    monkeypatch.setattr(loop, "RESERVE", 0.1)
    monkeypatch.setattr(machine, "RESERVE", 0.1)
    begin = time.monotonic()
    recipe = replace(TINY, fresh=4, steps=10**6)
    with machine.arriving(late, 2, 1) as ready:
        loop.train(recipe, tmp_path, None, Machine(deadline=begin + 3), ready)
        assert 2.5 < time.monotonic() - begin < 5
    assert (tmp_path / "checkpoint.pt").exists()


def late(index):
    time.sleep(5 * index)


@pytest.fixture
def known(tmp_path, monkeypatch):
    """The hash of the weights of a site's model of the recipe's name, and its network."""
    torch.manual_seed(5)
    network = Segmenter(SMALL)
    card = replace(zoo.load("short-axis-cine").card, name="tiny", design=SMALL)
    assert isinstance(card, Card)
    card = zoo.save(card, network, tmp_path / "site")
    monkeypatch.setenv("SCANSIDE_MODELS", str(tmp_path / "site"))
    return card.weights.sha256, network


def test_a_training_may_begin_with_the_weights_of_a_model(known, tmp_path):
    sha256, network = known
    begun = loop.begin(replace(TINY, begin=sha256), tmp_path, torch.device("cpu"))
    for one, other in zip(begun.smooth.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    assert all(each.requires_grad for each in begun.model.parameters())


def test_other_weights_than_the_recipe_names_are_not_begun_with(known, tmp_path):
    with pytest.raises(ModelError, match=r"begins with weights of SHA-256 0000000000000000\.\.\., at hand"):
        loop.begin(replace(TINY, begin="0" * 64), tmp_path, torch.device("cpu"))


def test_what_a_training_begins_with_is_looked_for_before_a_slice_is_drawn(known, tmp_path):
    for changes in ({"begin": "0" * 64}, {"begin": known[0], "design": replace(SMALL, classes=3)}):
        folder = tmp_path / str(len(changes))
        with pytest.raises(ModelError, match="begins with weights of"):
            trained(replace(TINY, **changes), folder)
        assert not list(folder.iterdir())


def test_a_training_that_goes_on_needs_no_weights_to_begin_with(known, tmp_path):
    corpus.make(tmp_path / "corpus", TINY.seed, TINY.shards)
    begun = replace(TINY, begin=known[0])
    loop.train(begun, tmp_path)
    loop.train(replace(begun, begin="0" * 64, steps=12), tmp_path)


def test_a_model_may_keep_a_part_of_the_weights_that_it_began_with(known, tmp_path):
    corpus.make(tmp_path / "corpus", TINY.seed, TINY.shards)
    recipe = replace(TINY, begin=known[0], rate=0.02)
    learned = loop.train(recipe, tmp_path).state_dict()
    kept = loop.train(replace(recipe, kept=0.25), tmp_path).state_dict()
    for name, before in known[1].state_dict().items():
        if before.is_floating_point():
            torch.testing.assert_close(kept[name], 0.75 * learned[name] + 0.25 * before, atol=1e-3, rtol=1e-3)


def test_the_finished_weights_are_written_as_a_card_states_them(known, tmp_path):
    corpus.make(tmp_path / "corpus", TINY.seed, TINY.shards)
    found = loop.train(replace(TINY, begin=known[0], kept=0.5, level=16), tmp_path)
    written = (tmp_path / "weights.safetensors").read_bytes()
    card = zoo.save(zoo.load("tiny").card, found, tmp_path / "other")
    assert hashlib.sha256(written).hexdigest() == card.weights.sha256


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"fresh": -5}, {"kept": 0.5}])
def test_a_recipe_with_an_odd_value_is_refused(changes):
    with pytest.raises(ModelError):
        replace(TINY, **changes)


def test_steps_of_half_precision_learn_about_the_same(tmp_path):
    found = {}
    for precision in ("float32", "bfloat16"):
        recipe = replace(TINY, precision=precision, rate=5e-3)
        found[precision] = [loss for _, loss in trained(recipe, tmp_path / precision)[0]]
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.05)
    assert found["bfloat16"] != found["float32"]
