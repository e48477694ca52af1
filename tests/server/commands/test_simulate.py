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


def test_a_kind_that_is_not_known_is_a_wrong_use():
    with pytest.raises(SystemExit) as end:
        call("--matrix")
    assert end.value.code == 2
