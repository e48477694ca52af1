import argparse
import json

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from gadgets.data import Image
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from server.commands import simulate, view
from server.files.images import write_images
from server.files.scan import read_scan
from server.files.stream import write_stream
from server.wire import encode
from server.wire.meta import read_meta


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
    with Picture.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 300


def test_complex_pictures_volumes_and_channels_are_drawn(tmp_path):
    head, meta, data = image(1, "image", shape=(2, 3, 12, 16))
    write_images(tmp_path / "a.h5", [(head, meta, data * np.complex64(1j))])
    assert call("view", tmp_path / "a.h5") == 0
    assert (tmp_path / "a.png").exists()


def derived(series, data, **meta):
    head, _, _ = image(series, "image")
    head["image_type"] = 6 if data.shape[0] == 3 else 1
    words = "".join(f"<meta><name>{name}</name><value>{value}</value></meta>" for name, value in meta.items())
    return head, f"<ismrmrdMeta>{words}</ismrmrdMeta>", data


def test_a_page_in_colour_is_drawn_as_it_is_and_as_large(tmp_path):
    page = np.zeros((3, 1, 400, 512), np.uint16)
    page[0] = 255
    write_images(tmp_path / "a.h5", [derived(540, page, SeriesDescriptionAdditional="Perfusion report")])
    assert call("view", tmp_path / "a.h5") == 0
    with Picture.open(tmp_path / "a.png") as picture:
        assert picture.size[0] >= 512
        assert picture.getpixel((picture.size[0] // 2, 200)) == (255, 0, 0)


def test_a_map_is_drawn_in_its_colours_with_its_unit(tmp_path):
    flow = np.full((1, 1, 12, 16), 3000, np.uint16)
    meta = {
        "GADGETRON_ColorMap": "GadgetronPerfFlow.pal",
        "ScansideScaleRatio": 1000,
        "ScansideUnit": "ml/min/g",
        "WindowCenter": 3000,
        "WindowWidth": 6000,
        "ScansideSlice": "apical",
        "SeriesDescriptionAdditional": "MBF",
    }
    write_images(tmp_path / "a.h5", [derived(510, flow, **meta)])
    assert call("view", tmp_path / "a.h5") == 0
    with Picture.open(tmp_path / "a.png") as picture:
        red, _, blue = picture.getpixel((picture.size[0] // 2, 120))
        assert red > blue + 50
    assert view._range(meta, 0, 6000) == "0 to 6 ml/min/g"
    assert view._shown(derived(510, flow, **meta)[1]) == "MBF, apical"


def test_the_kspace_of_a_scan_is_drawn(tmp_path, capsys):
    call("simulate", "shepp-logan", "-o", tmp_path / "a.h5", "--matrix", 24, "--coils", 2, "--slices", 2)
    capsys.readouterr()
    assert call("view", tmp_path / "a.h5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["content"][0]["slices"] == 2


def test_a_stream_of_images_is_drawn(tmp_path, capsys):
    images = [image(1, "image"), image(1, "image"), image(20, "gfactor")]
    said = [
        encode.image(Image(data=torch.from_numpy(data), head=head, meta=read_meta(meta)))
        for head, meta, data in images
    ]
    text = encode.text("look", level="warning")
    (tmp_path / "a.mrd").write_bytes(b"".join([text, *said, encode.close()]))
    assert call("view", tmp_path / "a.mrd", "--json") == 0
    told = capsys.readouterr()
    facts = json.loads(told.out)["content"]
    assert [(one["series"], one["role"], one["images"]) for one in facts] == [
        (1, "image", 2),
        (20, "gfactor", 1),
    ]
    assert told.err == f"scanside: {tmp_path / 'a.mrd'} says: WARNING look\n"
    assert (tmp_path / "a.png").exists()


def test_a_stream_of_a_scan_is_drawn(tmp_path, capsys):
    call("simulate", "shepp-logan", "-o", tmp_path / "a.h5", "--matrix", 24, "--coils", 2, "--slices", 2)
    scan = read_scan(tmp_path / "a.h5")
    write_stream(tmp_path / "b.mrd", scan.xml, scan.runs())
    capsys.readouterr()
    assert call("view", tmp_path / "b.mrd", "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)["content"]
    assert (facts["slices"], facts["readouts"]) == (2, scan.readouts)


def test_a_stream_without_images_says_so(tmp_path, capsys):
    (tmp_path / "a.mrd").write_bytes(encode.text("no such chain", level="error") + encode.close())
    with pytest.raises(DataError, match=r"a\.mrd holds neither images nor a scan"):
        call("view", tmp_path / "a.mrd")
    assert "says: ERROR no such chain" in capsys.readouterr().err


def test_a_file_of_something_else_is_refused(tmp_path):
    write_images(tmp_path / "a.h5", [])
    with pytest.raises(DataError, match="no scan"):
        call("view", tmp_path / "a.h5")
