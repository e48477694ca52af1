"""The document of deployment, as somebody new would follow it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.endtoend import orthanc as archives
from tests.endtoend.spawn import free_port
from tests.test_docs import code

TESTS = Path(__file__).parents[1]
ASIDE = "not run by a test"
SCRIPTS = {"make bundle": '"bundle.sh"', "install.sh": '"install.sh"'}
"""What else is run, and how a test calls it."""


def commands():
    """(block's number, line) of every command in the document, but those that it says no test runs."""
    for number, block in enumerate(code("deploy.md", "sh")):
        if ASIDE not in block.splitlines()[0]:
            yield from ((number, line) for line in block.splitlines() if ASIDE not in line)


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.skipif(archives.ORTHANC is None, reason="Orthanc (Debian's orthanc) is not installed")
def test_what_is_written_for_the_first_day_brings_images_into_the_archive(tmp_path, archive):
    ports = {"4242": str(archive.dicom), "9002": str(free_port())}
    script = re.sub("|".join(ports), lambda found: ports[found.group()], code("deploy.md", "sh")[1])
    script = script.replace("do sleep 1", "do kill -0 $!; sleep 1")
    script += "until scanside outbox --json | grep -q sent; do sleep 1; done\nkill $!\nwait\n"
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path} | {f"SCANSIDE_{each}": str(place) for each in ("STATE", "RUN")}
    with subprocess.Popen(
        ["sh", "-e", "-c", script],
        cwd=tmp_path,
        env=environment,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=400)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, said
    assert "archive pacs: answers" in said
    assert {each["PatientID"] for each in archive.tags()} == {"P1"}
    assert (tmp_path / "images.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_is_run_by_a_test_or_is_said_not_to_be():
    tests = [each.read_text() for each in TESTS.rglob("test_*.py") if each != Path(__file__)]
    whole = {1, len(code("deploy.md", "sh")) - 1}
    untried = []
    for number, line in commands():
        found = re.match(r"scanside ([a-z]+)(?: ([a-z][a-z-]+)\b(?![.]))?", line)
        if number in whole or not line.strip():
            continue
        script = next((each for each in SCRIPTS if each in line), line)
        words = [f'"{word}"' for word in found.groups() if word] if found else [SCRIPTS.get(script, line)]
        if not any(all(word in each for word in words) for each in tests):
            untried.append(line)
    assert untried == []
