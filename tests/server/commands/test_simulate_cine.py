import argparse
import json

import numpy as np
import pytest

from gadgets.data import Readouts, Waveform
from gadgets.head import Flag
from server.cli import main
from server.commands import simulate
from server.files.images import read_images
from server.files.scan import read_scan
from server.files.truth import read_truth
from server.wire.header import read_header

SIZE = {"matrix": "48x40", "coils": 4, "slices": 2, "states": 6, "seed": 2, "family": "normal", "snr": 200}
SMALL = [word for name, value in SIZE.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    path = tmp_path_factory.mktemp("cine") / "a.h5"
    assert main(["simulate", "cine", "-o", str(path), *SMALL]) == 0
    return path


def readouts(path):
    return [run for run in read_scan(path).runs() if isinstance(run, Readouts)]


def test_a_cine_file_holds_scan_ecg_and_truth(gated):
    truth, scan = read_truth(gated), read_header(read_scan(gated).xml)
    assert truth["image"].values.shape == truth["labels"].values.shape == (2, 6, 40, 48)
    edv, esv, ef = (float(truth[name].values) for name in ("edv", "esv", "ef"))
    assert ef == pytest.approx((edv - esv) / edv)
    assert truth["volumes"].values[0, 0] == pytest.approx(edv)
    limits = scan.encoding().limits
    assert limits["slice"].maximum == 1
    assert scan.parameters["RetroGatedImages"] == 6
    assert scan.sequence.flip_angle[0] == pytest.approx(np.radians(50), rel=1e-5)


def test_the_ecg_has_its_trigger_where_the_time_stamps_begin_again(gated):
    waves = [run for run in read_scan(gated).runs() if isinstance(run, Waveform)]
    stamps = np.concatenate([int(w.head["time_stamp"]) + np.flatnonzero(w.data[1]) for w in waves])
    head = np.concatenate([run.head for run in readouts(gated)])
    head = head[(head["flags"] & np.uint64(int(Flag.NOISE_MEASUREMENT))) == 0]
    beats = np.unique(head["acquisition_time_stamp"].astype(int) - head["physiology_time_stamp"][:, 0])
    assert all(np.abs(stamps - beat).min() <= 2 for beat in beats)
    assert len(stamps) >= 4


def test_each_slice_lies_where_its_plane_is(gated):
    head = np.concatenate([run.head for run in readouts(gated)])[64:]
    first, second = (head[head["idx"]["slice"] == index][0] for index in (0, 1))
    away = second["position"] - first["position"]
    assert np.linalg.norm(away) == pytest.approx(10.0, rel=1e-3)
    assert abs(away @ first["slice_dir"]) == pytest.approx(10.0, rel=1e-3)
    assert np.cross(first["read_dir"], first["phase_dir"]) == pytest.approx(first["slice_dir"], abs=1e-5)


def test_the_images_of_a_gated_scan_are_what_it_was_made_from(gated, tmp_path):
    assert main(["run", "cartesian_fft", str(gated), "-o", str(tmp_path / "b.h5")]) == 0
    (series,) = read_images(tmp_path / "b.h5")
    known = read_truth(gated)
    true, interval = known["image"].values, float(known["interval"].values)
    errors = []
    assert len(series.head) == 2 * (1 + int(series.head["phase"].max()))
    for head, data in zip(series.head, series.data, strict=True):
        place = (int(head["phase"]) + 0.5) * 12 * 0.003 / interval * 6
        frame = true[int(head["slice"])]
        low, part = int(place) % 6, place % 1
        expected = (1 - part) * frame[low] + part * frame[(low + 1) % 6]
        found = np.abs(np.asarray(data)).reshape(40, 48)
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    assert np.median(errors) < 0.03
    assert max(errors) < 0.15, "between states that are a sixth of a beat apart edges blur"


def test_frames_in_real_time_pass_through_grappa_in_units_of_their_own_noise(tmp_path, capsys):
    words = [*SMALL, "--gating", "realtime", "--frames", "8", "--acceleration", "2", "--json"]
    assert main(["simulate", "cine", "-o", str(tmp_path / "a.h5"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["slices"] == 2
    assert main(["run", "cartesian_grappa", str(tmp_path / "a.h5"), "-o", str(tmp_path / "b.h5")]) == 0
    series = next(iter(read_images(tmp_path / "b.h5")))
    true = read_truth(tmp_path / "a.h5")["image"].values
    assert len(series.head) == 16
    for head, data in zip(series.head, series.data, strict=True):
        expected = true[int(head["slice"]), int(head["phase"])] / np.sqrt(2)
        found = np.abs(np.asarray(data)).reshape(40, 48)
        assert np.linalg.norm(found - expected) < 0.06 * np.linalg.norm(expected)


def test_a_family_that_does_not_exist_is_refused(tmp_path, capsys):
    assert main(["simulate", "cine", "-o", str(tmp_path / "a.h5"), "--family", "tall"]) == 2
    assert "family tall" in capsys.readouterr().err


def test_without_a_number_a_heart_has_all_slices_and_a_head_one():
    parser = argparse.ArgumentParser()
    simulate.add(parser.add_subparsers())
    options = parser.parse_args(["simulate", "shepp-logan", "-o", "a.h5"])
    assert simulate._protocol(options).sampling.slices == 1
