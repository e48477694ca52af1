"""Engines last by what they are made of, and a TensorRT parser accepts the exported graph."""

import warnings

import pytest
import torch

from models import engine, zoo
from models.nets.unrolled import Design, Unrolled
from tests.models.test_zoo import CARD

FACTS = {"version": "1", "device": "none", "precision": "fp32"}


@pytest.fixture
def cache(tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"graph")
    built = []

    def make(path):
        built.append(1)
        path.write_bytes(source.read_bytes() + b" engine")

    def ask(facts=FACTS):
        path, reason = engine.cached(tmp_path / "engines", source, facts, make)
        return path, reason, len(built)

    return source, ask


def test_an_engine_survives_a_restart(cache):
    first, again = cache[1](), cache[1]()
    assert first[1:] == ("no engine yet", 1)
    assert again == (first[0], "", 1)


def test_a_changed_byte_of_the_model_builds_another_engine(cache):
    source, ask = cache
    first = ask()[0]
    source.write_bytes(b"grapH")
    second, reason, count = ask()
    assert second != first
    assert (reason, count) == ("no engine yet", 2)


def test_another_version_builds_another_engine(cache):
    assert cache[1]()[0] != cache[1]({**FACTS, "version": "2"})[0]


def test_a_damaged_engine_is_built_anew_and_it_is_said(cache):
    path = cache[1]()[0]
    path.write_bytes(b"something else")
    assert cache[1]() == (path, "the engine is damaged", 2)
    path.with_suffix(".json").write_text("{")
    assert cache[1]() == (path, "the engine's note is damaged", 3)
    assert cache[1]()[1] == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tensorrt_rtx_builds_an_engine_of_the_exported_network(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="the extra engine (240 MB) is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from models.export import export

    torch.manual_seed(0)
    zoo.save(CARD, Unrolled(Design(iterations=1, widths=(4, 4, 8))), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(zoo.load(str(tmp_path / "tiny.yml")), tmp_path / "tiny.onnx")
    layers = engine.build(tmp_path / "tiny.onnx", tmp_path / "tiny.engine")
    assert layers["CONVOLUTION"] > 10
    assert layers["MATRIX_MULTIPLY"] == 2
    assert (tmp_path / "tiny.engine").stat().st_size > 1000
