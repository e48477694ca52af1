"""``scanside run``: a chain from file to file and as a pipe."""

import io
import os
import subprocess
import sys

import pytest

from server.cli import main
from server.files.images import read_images


def ending(*words):
    try:
        return main(list(map(str, words)))
    except SystemExit as error:
        return error.code


@pytest.fixture
def scan(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SCANSIDE_SPOOL", str(tmp_path / "spool"))
    path = tmp_path / "scan.h5"
    words = ("--matrix", 16, "--coils", 2, "--no-noise-scan")
    assert ending("simulate", "shepp-logan", *words, "-o", path) == 0
    capsys.readouterr()
    return path


def process(folder, *words):
    """``scanside`` in a process of its own, whose log goes where a user's does."""
    command = [sys.executable, "-m", "server.cli", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False)


def test_a_warning_is_said_once(scan, tmp_path):
    done = process(tmp_path, "run", "cartesian_fft", scan, "-o", "images.h5")
    assert done.returncode == 0
    assert done.stderr.decode().count("no noise readouts") == 1
    assert done.stdout.decode() == "1 images\n"


def test_a_warning_is_said_once_beside_a_pipe(scan, tmp_path):
    done = process(tmp_path, "run", "cartesian_fft", scan)
    assert done.returncode == 0
    assert done.stderr.decode().count("no noise readouts") == 1
    assert done.stdout


def test_an_error_is_said_once(scan, tmp_path):
    done = process(tmp_path, "run", "cartesian_fft", scan, "--param", "Combine.nothing=1", "-o", "images.h5")
    assert done.returncode == 1
    assert done.stderr.decode().count("Combine.nothing is no parameter") == 1


def test_images_are_not_poured_into_a_terminal(scan, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert ending("run", "cartesian_fft", scan) == 2
    assert "-o OUT.h5" in capsys.readouterr().err


def test_a_scan_is_not_awaited_from_a_terminal(monkeypatch, capsys, tmp_path):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    assert ending("run", "cartesian_fft", "-o", tmp_path / "x.h5") == 2
    assert "give a file" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_at_once(scan, tmp_path, capsys):
    assert ending("run", "cartesian_fft", scan, "-o", tmp_path / "absent" / "x.h5") == 1
    assert capsys.readouterr().err == f"scanside: {tmp_path / 'absent'}: no such folder\n"


def test_an_output_that_is_the_input_is_refused(scan, capsys):
    before = scan.read_bytes()
    assert ending("run", "cartesian_fft", scan, "-o", scan) == 2
    assert "would replace the scan" in capsys.readouterr().err
    assert scan.read_bytes() == before


def test_a_parameter_without_a_value_is_a_wrong_use(scan, capsys):
    assert ending("run", "cartesian_fft", scan, "--param", "X") == 2
    assert "expected GADGET.FIELD=VALUE, got 'X'" in capsys.readouterr().err


def test_parameters_are_used(scan, tmp_path):
    words = ("--param", "Combine.method=adaptive", "-o", tmp_path / "x.h5")
    assert ending("run", "cartesian_fft", scan, *words) == 0
    (found,) = read_images(tmp_path / "x.h5")
    assert "adaptive" in found.meta[0]
