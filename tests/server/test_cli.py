"""The command as a user meets it: what it loads, what it says, how it ends."""

import subprocess
import sys

import pytest

from server.cli import COMMANDS, main

HEAVY = {"torch", "numpy", "pydantic", "zmq", "h5py"}
NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]


def ending(*words):
    """The exit code of ``scanside WORDS``."""
    try:
        return main(words)
    except SystemExit as error:
        return error.code


def test_help_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "server.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", NAMES)
def test_every_word_explains_itself(name, capsys):
    assert ending(name, "--help") == 0
    assert f"usage: scanside {name}" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    assert ending("--version") == 0
    assert capsys.readouterr().out.startswith("scanside ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("nonsense",), "invalid choice: 'nonsense'"),
        (("replay", "scan.h5"), "--chain"),
        (("simulate", "liver", "-o", "x.h5"), "invalid choice: 'liver'"),
        (("serve", "--host", "0.0.0.0", "--port", "0"), "give --insecure to allow it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_ends_with_2_and_says_why(words, reason, capsys):
    assert ending(*words) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("run", "no_such", "scan.h5", "-o", "x.h5"), "no chain is called 'no_such'; known are"),
        (("run", "cartesian_fft", "absent.h5", "-o", "x.h5"), "absent.h5"),
        (("replay", "absent.h5", "--chain", "cartesian_fft"), "absent.h5"),
        (("view", "absent.h5"), "absent.h5"),
        (("convert", "scan.xyz", "-o", "x.h5"), "scan.xyz is of no known format"),
        (("simulate", "shepp-logan", "--acceleration", "0", "-o", "x.h5"), "acceleration is 0"),
        (("gadgets", "Grapa"), "did you mean Grappa?"),
        (("chains", "no_such"), "no chain is called 'no_such'"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_failure_ends_with_1_and_one_line_that_says_why(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ending(*words) == 1
    said = capsys.readouterr().err
    assert said.startswith("scanside: ")
    assert said.count("\n") == 1
    assert reason in said


@pytest.mark.parametrize(
    "words", [("gadgets",), ("gadgets", "Grappa"), ("chains",), ("doctor",)], ids=" ".join
)
def test_what_only_tells_ends_with_0(words, capsys):
    assert ending(*words) == 0
    told = capsys.readouterr()
    assert told.out
    assert not told.err


def test_an_absent_server_ends_with_1(capsys, tmp_path):
    scan = tmp_path / "scan.h5"
    assert ending("simulate", "shepp-logan", "--matrix", "16", "--coils", "2", "-o", str(scan)) == 0
    assert ending("replay", str(scan), "--chain", "cartesian_fft", "--to", "127.0.0.1:9") == 1
    assert "Connection refused" in capsys.readouterr().err
