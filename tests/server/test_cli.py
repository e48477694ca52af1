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
        (("serve", "--host", "0.0.0.0", "--port", "0"), "--insecure to allow it"),
        (("serve", "--port", "70000"), "argument --port: expected a port from 0 to 65535, got '70000'"),
        (("serve", "--settings", "bad.toml"), "argument --settings: bad.toml is no TOML: "),
        (("serve", "--settings", "absent.toml"), "argument --settings: absent.toml: no such file"),
        (("spool", "list", "--settings", "bad.toml"), "argument --settings: bad.toml is no TOML: "),
        (("status", "--port", "0"), "argument --port: expected a port from 1 to 65535, got '0'"),
        (("chains", "--graph"), "--graph is of one chain: name it"),
        (("simulate", "shepp-logan", "--matrix", "12xx4", "-o", "x.h5"), "argument --matrix: expected N or"),
        (("simulate", "shepp-logan", "--matrix", "1", "-o", "x.h5"), "expected at least 1 and 2"),
        (("simulate", "shepp-logan", "--start", "noon", "-o", "x.h5"), "argument --start: expected HH:MM:SS"),
        (("simulate", "shepp-logan", "--start", "25:00:00", "-o", "x.h5"), "expected HH:MM:SS"),
        (
            ("simulate", "shepp-logan", "--reference-lines", "999", "-o", "x.h5"),
            "999 reference lines, expect",
        ),
        (("simulate", "shepp-logan", "--acceleration", "0", "-o", "x.h5"), "1 or more, got '0'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_ends_with_2_and_says_why(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("port = = 3")
    assert ending(*words) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("run", "no_such", "scan.h5", "-o", "x.h5"), "no chain is called 'no_such'; known are"),
        (("run", "cartesian_fft", "absent.h5", "-o", "x.h5"), ": absent.h5: no such file\n"),
        (("run", "cartesian_fft", "bad.h5", "-o", "x.h5"), ": bad.h5 is no HDF5 file\n"),
        (("replay", "absent.h5", "--chain", "cartesian_fft"), ": absent.h5: no such file\n"),
        (("replay", "bad.h5", "--chain", "cartesian_fft"), ": bad.h5 is no HDF5 file\n"),
        (("view", "absent.h5"), ": absent.h5: no such file\n"),
        (("view", "bad.h5"), ": bad.h5 is no HDF5 file\n"),
        (("view", "absent.mrd"), ": absent.mrd: no such file\n"),
        (("convert", "absent.cfl", "-o", "x.h5"), ": absent.cfl: no such file\n"),
        (("convert", "lone.cfl", "-o", "x.h5"), ": lone.hdr: no such file\n"),
        (("convert", "absent.npy", "-o", "x.h5"), ": absent.npy: no such file\n"),
        (("convert", "absent.mrd", "-o", "x.h5"), ": absent.mrd: no such file\n"),
        (("convert", "absent.h5", "-o", "x.mrd"), ": absent.h5: no such file\n"),
        (("convert", "scan.xyz", "-o", "x.h5"), "scan.xyz is of no known format"),
        (("simulate", "shepp-logan", "--matrix", "16", "-o", "absent/x.h5"), ": absent: no such folder\n"),
        (("gadgets", "Grapa"), "did you mean Grappa?"),
        (("chains", "no_such"), "no chain is called 'no_such'"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_failure_ends_with_1_and_one_line_that_says_why(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    (tmp_path / "lone.cfl").write_bytes(b"")
    assert ending(*words) == 1
    said = capsys.readouterr().err
    assert said.startswith("scanside: ")
    assert said.count("\n") == 1
    assert reason in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "words", [("gadgets",), ("gadgets", "Grappa"), ("chains",), ("doctor",)], ids=" ".join
)
def test_what_only_tells_ends_with_0(words, capsys):
    assert ending(*words) == 0
    told = capsys.readouterr()
    assert told.out
    assert not told.err
