import argparse
import json

import numpy as np
import pytest
from PIL import Image

from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from server.commands import simulate, view
from server.files.images import write_images


def call(*words):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    view.add(commands)
    simulate.add(commands)
    options = parser.parse_args(list(map(str, words)))
    return options.run(options)


def image(series, role, shape=(1, 1, 12, 16), **counters):
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"], head["field_of_view"] = series, (160, 120, 5)
    for name, value in counters.items():
        head[name] = value
    meta = f"<ismrmrdMeta><meta><name>ScansideRole</name><value>{role}</value></meta></ismrmrdMeta>"
    return head, meta, np.random.default_rng(0).random(shape, np.float32)


def test_every_series_is_drawn_and_described(tmp_path, capsys):
    images = [image(1, "image", repetition=index) for index in range(40)] + [image(20, "gfactor")]
    write_images(tmp_path / "a.h5", images)
    assert call("view", tmp_path / "a.h5", "-o", tmp_path / "a.png", "--json") == 0
    facts = json.loads(capsys.readouterr().out)["content"]
    assert [(one["series"], one["role"], one["images"]) for one in facts] == [
        (1, "image", 40),
        (20, "gfactor", 1),
    ]
    assert facts[0]["shown"] + facts[1]["shown"] <= view.TILES
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 300


def test_complex_pictures_volumes_and_channels_are_drawn(tmp_path):
    head, meta, data = image(1, "image", shape=(2, 3, 12, 16))
    write_images(tmp_path / "a.h5", [(head, meta, data * np.complex64(1j))])
    assert call("view", tmp_path / "a.h5") == 0
    assert (tmp_path / "a.png").exists()


def test_the_kspace_of_a_scan_is_drawn(tmp_path, capsys):
    call("simulate", "shepp-logan", "-o", tmp_path / "a.h5", "--matrix", 24, "--coils", 2, "--slices", 2)
    capsys.readouterr()
    assert call("view", tmp_path / "a.h5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["content"][0]["slices"] == 2


def test_a_file_of_something_else_is_refused(tmp_path):
    write_images(tmp_path / "a.h5", [])
    with pytest.raises(DataError, match="no scan"):
        call("view", tmp_path / "a.h5")
