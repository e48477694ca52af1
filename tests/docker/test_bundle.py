"""What an installation without a network needs, made and used by scripts of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"


def ran(*words):
    environment = os.environ | {"PYTHON": sys.executable}
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bundle_installs_without_an_index_and_not_when_a_byte_of_it_has_changed(tmp_path):
    made = ran("sh", str(DOCKER / "bundle.sh"), str(tmp_path / "bundle"), "iniconfig")
    if made.returncode and "Could not find a version" in made.stderr:
        pytest.skip("no package index can be reached")
    assert made.returncode == 0, made.stderr
    (wheel,) = (tmp_path / "bundle" / "wheels").iterdir()
    install = str(tmp_path / "bundle" / "install.sh")
    done = ran(install, str(tmp_path / "one"))
    assert done.returncode == 0, done.stderr
    assert ran(str(tmp_path / "one/bin/python"), "-c", "import iniconfig").returncode == 0
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    refused = ran(install, str(tmp_path / "two"))
    assert refused.returncode
    assert "HASH" in refused.stderr.upper()


def test_a_bundle_without_a_folder_says_how_it_is_used():
    said = ran("sh", str(DOCKER / "bundle.sh"))
    assert said.returncode == 2
    assert said.stderr.startswith("bundle.sh FOLDER [REQUIREMENT...]")
