import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD, Flag
from server.cli import main
from server.commands import convert
from server.files.images import read_images
from server.files.scan import read_scan
from server.settings import SettingsError
from server.wire import encode
from server.wire.decode import decode_all
from server.wire.header import read_header
from server.wire.messages import Close

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def call(*words):
    parser = argparse.ArgumentParser()
    convert.add(parser.add_subparsers())
    options = parser.parse_args(["convert", *map(str, words)])
    return options.run(options)


def kspace(coils=3, lines=20, samples=14):
    rng = np.random.default_rng(0)
    return rng.standard_normal((coils, lines, 2 * samples)).astype(np.float32).view(np.complex64)


def read(path):
    runs = list(read_scan(path).runs())
    return np.concatenate([run.head for run in runs]), [row for run in runs for row in run.data]


def test_every_line_of_a_full_array_becomes_a_readout(tmp_path):
    np.save(tmp_path / "a.npy", kspace())
    assert call(tmp_path / "a.npy", "-o", tmp_path / "a.h5") == 0
    head, data = read(tmp_path / "a.h5")
    assert head["idx"]["kspace_encode_step_1"].tolist() == list(range(20))
    assert np.array_equal(np.stack(data, 1), kspace())
    encoding = read_header(read_scan(tmp_path / "a.h5").xml).encoding()
    assert encoding.encoded == encoding.recon
    assert encoding.encoded.matrix == (14, 20, 1)


def test_retrospective_acceleration_keeps_grid_and_central_lines_as_embedded_reference(tmp_path):
    np.save(tmp_path / "a.npy", kspace())
    call(tmp_path / "a.npy", "-o", tmp_path / "a.h5", "--acceleration", 3, "--reference-lines", 6)
    head, data = read(tmp_path / "a.h5")
    lines = head["idx"]["kspace_encode_step_1"]
    assert lines.tolist() == [1, 4, 7, 8, 9, 10, 11, 12, 13, 16, 19]
    both = head["flags"] & np.uint64(Flag.PARALLEL_CALIBRATION_AND_IMAGING) != 0
    reference = head["flags"] & np.uint64(Flag.PARALLEL_CALIBRATION) != 0
    assert lines[both].tolist() == [7, 10]
    assert lines[reference].tolist() == [8, 9, 11, 12]
    assert np.array_equal(np.stack(data, 1), kspace()[:, lines])


def test_axes_can_be_named(tmp_path):
    np.save(tmp_path / "a.npy", kspace().transpose(2, 0, 1))
    call(
        tmp_path / "a.npy", "-o", tmp_path / "a.h5", "--readout-axis", 0, "--coil-axis", 1, "--phase-axis", 2
    )
    assert np.array_equal(np.stack(read(tmp_path / "a.h5")[1], 1), kspace())


def test_corners_of_kspace_become_noise_readouts(tmp_path):
    np.save(tmp_path / "a.npy", kspace(lines=40, samples=30))
    call(tmp_path / "a.npy", "-o", tmp_path / "a.h5", "--noise", "corners")
    head, data = read(tmp_path / "a.h5")
    noise = head["flags"] & np.uint64(Flag.NOISE_MEASUREMENT) != 0
    assert noise.sum() == 8
    assert noise[:8].all()
    assert head["scan_counter"].tolist() == list(range(48))
    assert np.array_equal(data[0], kspace(lines=40, samples=30)[:, 0, [0, 1, 2, -3, -2, -1]])


def test_lines_of_zeros_are_left_out_and_holes_are_told(tmp_path, capsys):
    values = kspace()
    values[:, ::2] = 0
    values[:, 5, ::2] = 0
    np.save(tmp_path / "a.npy", values)
    call(tmp_path / "a.npy", "-o", tmp_path / "a.h5")
    said = capsys.readouterr().err
    assert "1 readouts hold samples that are 0" in said
    assert "10 lines are 0 throughout" in said
    assert read(tmp_path / "a.h5")[0]["idx"]["kspace_encode_step_1"].tolist() == list(range(1, 20, 2))


def test_the_brain_slice_converts(tmp_path):
    path = DATA / "cartesian" / "brain8_full.cfl"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    call(path, "-o", tmp_path / "a.h5", "--acceleration", 2)
    head, data = read(tmp_path / "a.h5")
    full = np.fromfile(path, "<c8").reshape((230, 180, 8), order="F")
    assert len(head) == 115 + 12
    for one, values in zip(head[::9], data[::9], strict=True):
        assert np.array_equal(values, full[one["idx"]["kspace_encode_step_1"]].T)


def simulated(tmp_path, *words):
    words = ("simulate", "shepp-logan", "--matrix", 16, "--coils", 2, *words, "-o", tmp_path / "scan.h5")
    assert main(list(map(str, words))) == 0
    return tmp_path / "scan.h5"


def answer(path, *words, images=2, end=True):
    """A stream as a chain makes it."""
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"] = 1
    data = torch.ones(1, 1, 4, 6)
    said = [encode.image(Image(data=data, head=head, meta={"ScansideRole": "image"}))] * images
    path.write_bytes(b"".join([*words, *said, encode.close() if end else b""]))
    return path


def test_a_scan_becomes_a_stream_and_a_scan_again(tmp_path):
    scan = simulated(tmp_path)
    assert call(scan, "-o", tmp_path / "scan.mrd") == 0
    assert call(tmp_path / "scan.mrd", "-o", tmp_path / "again.h5") == 0
    (head, data), (again, same) = read(scan), read(tmp_path / "again.h5")
    assert again.tobytes() == head.tobytes()
    assert all(np.array_equal(a, b) for a, b in zip(data, same, strict=True))
    assert read_scan(tmp_path / "again.h5").xml == read_scan(scan).xml


def test_kspace_of_another_program_becomes_a_stream(tmp_path):
    np.save(tmp_path / "a.npy", kspace())
    assert call(tmp_path / "a.npy", "-o", tmp_path / "a.mrd") == 0
    header, block, close = decode_all((tmp_path / "a.mrd").read_bytes())
    assert read_header(header.xml).encoding().encoded.matrix == (14, 20, 1)
    assert np.array_equal(block.data, kspace().transpose(1, 0, 2))
    assert isinstance(close, Close)


def test_a_stream_of_images_becomes_a_file_of_images(tmp_path, capsys):
    text = encode.text("look", level="warning")
    assert call(answer(tmp_path / "a.mrd", text), "-o", tmp_path / "a.h5") == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'a.h5'}: 2 images\n"
    assert told.err == f"scanside: {tmp_path / 'a.mrd'} says: WARNING look\n"
    (found,) = read_images(tmp_path / "a.h5")
    assert found.data.shape == (2, 1, 1, 4, 6)


def test_a_stream_that_tells_an_error_is_no_success(tmp_path, capsys):
    text = encode.text("no", level="error")
    assert call(answer(tmp_path / "a.mrd", text, images=0), "-o", tmp_path / "a.h5") == 1
    assert "says: ERROR no" in capsys.readouterr().err


def test_a_stream_of_images_that_breaks_off_is_no_success(tmp_path, capsys):
    assert call(answer(tmp_path / "a.mrd", end=False), "-o", tmp_path / "a.h5") == 1
    assert "ends without CLOSE" in capsys.readouterr().err


def test_what_is_ismrmrd_already_becomes_nothing_but_a_stream(tmp_path):
    with pytest.raises(SettingsError, match="give -o OUT.mrd"):
        call(simulated(tmp_path), "-o", tmp_path / "b.h5")


def test_a_file_is_not_converted_into_itself(tmp_path):
    path = answer(tmp_path / "a.mrd")
    with pytest.raises(SettingsError, match="would replace"):
        call(path, "-o", path)
