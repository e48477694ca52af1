"""``scanside models``."""

import json

import pytest

from models import zoo
from models.nets.unrolled import Unrolled
from models.train import corpus, loop
from server.cli import main
from tests.models.test_zoo import CARD


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    zoo.save(CARD, Unrolled(CARD.design), tmp_path)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    return tmp_path


def test_models_are_listed_with_their_hash_and_shown(shipped, capsys):
    assert main(["models", "list", "--json"]) == 0
    (fact,) = json.loads(capsys.readouterr().out)
    assert fact["name"] == "tiny"
    assert len(fact["sha256"]) == 64
    assert main(["models", "show", "tiny"]) == 0
    assert "reference_lines: 16" in capsys.readouterr().out


def test_damaged_weights_fail_the_verification(shipped, capsys):
    assert main(["models", "verify", "tiny"]) == 0
    (shipped / "tiny.safetensors").write_bytes(b"")
    assert main(["models", "verify", "tiny"]) == 1
    assert "have SHA-256" in capsys.readouterr().err


def test_a_model_is_timed(shipped, capsys):
    assert main(["models", "bench", "tiny", "--matrix", "32", "24"]) == 0
    assert "torch," in capsys.readouterr().out


def test_a_recipe_trains_and_draws_its_curve(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD", 4)
    monkeypatch.setattr(loop, "JUDGED", (("cells", 20.0),))
    monkeypatch.setattr("models.train.samples.SHARE", {"tissues": 1.0})
    (tmp_path / "small.yml").write_text(
        "name: small\nshards: 1\nshapes: [[32, 16]]\nsteps: 4\nbatch: 2\n"
        "design: {iterations: 1, widths: [4, 4, 4]}\n"
    )
    assert main(["models", "train", str(tmp_path / "small.yml"), "-o", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "run" / "curve.jsonl").read_text())["step"] == 4
