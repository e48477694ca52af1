import argparse
import json

import numpy as np
import pytest

from models.errors import SimulationError
from server.commands import simulate
from server.files.scan import read_scan
from server.files.truth import read_truth
from server.wire.header import read_header


def call(*words):
    parser = argparse.ArgumentParser()
    simulate.add(parser.add_subparsers())
    options = parser.parse_args(["simulate", "shepp-logan", *map(str, words)])
    return options.run(options)


def test_a_simulated_scan_holds_readouts_header_and_truth(tmp_path, capsys):
    path = tmp_path / "a.h5"
    assert (
        call(
            "-o",
            path,
            "--matrix",
            "24x20",
            "--coils",
            3,
            "--acceleration",
            2,
            "--reference-lines",
            6,
            "--json",
        )
        == 0
    )
    facts = json.loads(capsys.readouterr().out)
    scan = read_scan(path)
    assert facts["readouts"] == scan.readouts == 64 + 10 + 3
    assert read_header(scan.xml).encoding().recon.matrix == (24, 20, 1)
    assert read_truth(path)["image"].values.shape == (1, 20, 24)


def test_equal_commands_write_equal_scans(tmp_path):
    data = []
    for name in ("a.h5", "b.h5"):
        call("-o", tmp_path / name, "--matrix", 16, "--coils", 2, "--order", "random", "--seed", 4)
        data.append(np.concatenate([np.ravel(run.data) for run in read_scan(tmp_path / name).runs()]))
    assert data[0].tobytes() == data[1].tobytes()


def test_a_scan_without_noise_readouts_can_be_asked_for(tmp_path):
    call("-o", tmp_path / "a.h5", "--matrix", 16, "--coils", 2, "--no-noise-scan")
    assert read_scan(tmp_path / "a.h5").readouts == 16


@pytest.mark.parametrize("words", [("--averages", 0), ("--reference-lines", 17), ("--reference-lines", -1)])
def test_numbers_that_make_no_scan_are_refused(tmp_path, words):
    with pytest.raises(SimulationError):
        call("-o", tmp_path / "a.h5", "--matrix", 16, *words)
    assert not (tmp_path / "a.h5").exists()


def test_a_small_matrix_has_no_more_reference_lines_than_lines(tmp_path):
    call("-o", tmp_path / "a.h5", "--matrix", 16, "--coils", 2, "--acceleration", 2, "--no-noise-scan")
    assert read_scan(tmp_path / "a.h5").readouts == 16


def test_a_slab_is_asked_for_by_its_partitions_and_two_factors(tmp_path):
    slab = {"partitions": 8, "acceleration": "2x2", "caipi": 1, "reference-lines": 4}
    slab |= {"reference-partitions": 2, "asymmetric-echo": 0.75, "oversampling": 1, "matrix": 16, "coils": 2}
    words = [word for name, value in slab.items() for word in (f"--{name}", value)]
    call("-o", tmp_path / "a.h5", "--no-noise-scan", *words)
    scan = read_scan(tmp_path / "a.h5")
    encoding = read_header(scan.xml).encoding()
    assert encoding.recon.matrix == (16, 16, 8)
    assert encoding.acceleration == (2, 2)
    assert scan.readouts == 8 * 16 // 4 + 4 + 2
    assert {run.data.shape[-1] for run in scan.runs()} == {12}


def test_more_than_two_factors_are_a_wrong_use(tmp_path):
    with pytest.raises(SystemExit) as end:
        call("-o", tmp_path / "a.h5", "--acceleration", "2x2x2")
    assert end.value.code == 2


def test_a_kind_that_is_not_known_is_a_wrong_use():
    with pytest.raises(SystemExit) as end:
        call("--matrix")
    assert end.value.code == 2
