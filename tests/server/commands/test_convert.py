import argparse
import os
from pathlib import Path

import numpy as np
import pytest

from gadgets.head import Flag
from server.commands import convert
from server.files.scan import read_scan
from server.wire.header import read_header

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
