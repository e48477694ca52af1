"""Engines last by what they are made of."""

import pytest

from models import engine
from models.backends import trt
from models.errors import ModelError
from models.forms import FRAMES, UNROLLED

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


def test_nothing_but_engine_and_note_is_left(cache, tmp_path):
    cache[1]()
    assert sorted(path.suffix for path in (tmp_path / "engines").iterdir()) == [".engine", ".json"]


def test_every_side_of_an_image_has_its_profile_or_is_refused():
    assert [trt.bucket(UNROLLED, lines, 64) for lines in (64, 128, 136, 232, 320, 512)] == [0, 0, 1, 2, 3, 4]
    with pytest.raises(ModelError, match="an image has 520 lines of 64 pixels, expected 64 to 512"):
        trt.bucket(UNROLLED, 520, 64)
    with pytest.raises(ModelError, match="an image has 200 lines of 64 pixels, expected 64 to 192"):
        trt.bucket(FRAMES, 200, 64)


def test_a_missing_library_is_named():
    with pytest.raises(ModelError, match="engines need no_such_library: install"):
        trt.library("no_such_library")
