"""The code in the documents runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


README = DOCS.parent / "README.md"


def code(name, language):
    """The code blocks of a document, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def shell(folder, script):
    """All that a shell script prints with the commands of this environment; it must end well."""
    scripts = Path(sys.executable).parent
    if not (scripts / "scanside").exists():
        pytest.skip("the command scanside is not installed")
    path = os.pathsep.join([str(scripts), os.environ["PATH"]])
    command = ["sh", "-e", "-c", script]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(folder, *words):
    """(exit code, all it printed) of a Python module that sees the files of a folder."""
    path = os.pathsep.join([str(folder), str(DOCS.parent)])
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def plugin(tmp_path):
    """A folder with the plug-in of the document as an installed package, its tests and its chain."""
    gadgets, tests = code("write-a-gadget.md", "python")
    (entries,) = code("write-a-gadget.md", "toml")
    (chain,) = code("write-a-gadget.md", "yaml")
    about = tmp_path / "bench_gadgets-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-gadgets\nVersion: 1\n")
    points = entries.replace('project.entry-points."scanside.gadgets"', "scanside.gadgets")
    (about / "entry_points.txt").write_text(points.replace('"', ""))
    (tmp_path / "bench_gadgets.py").write_text(gadgets)
    (tmp_path / "test_bench_gadgets.py").write_text(tests)
    (tmp_path / "mine.yml").write_text(chain)
    return tmp_path


def test_the_gadgets_of_the_document_pass_their_own_tests(plugin):
    done = run(plugin, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_bench_gadgets.py")
    assert "4 passed" in done.stdout, done.stdout


def test_an_installed_gadget_is_known_and_its_chain_is_built(plugin):
    done = run(plugin, "server.cli", "chains", "mine.yml")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("Gain(factors=(1.0, 0.5))\nCountLines()\nAlignEcho()")


@pytest.mark.slow
def test_the_pipe_of_the_readme_runs(tmp_path):
    (pipe,) = (block for block in code(README, "sh") if " | " in block)
    assert shell(tmp_path, pipe).splitlines()[1:] == ["image", "gfactor", "Close()"]


@pytest.mark.slow
def test_the_pipe_of_the_protocol_runs(tmp_path):
    (pipe,) = (block for block in code("protocol.md", "sh") if " | " in block)
    simulate = "scanside simulate shepp-logan --matrix 32 --coils 2 -o scan.h5\n"
    assert shell(tmp_path, simulate + pipe).splitlines()[1:] == ["2 images"]


def test_every_gadget_stands_in_the_document_of_chains():
    from server.registry import registry

    document = (DOCS / "chains.md").read_text()
    assert [name for name in registry() if f"| `{name}` |" not in document] == []


def test_every_meta_attribute_of_our_own_stands_in_the_document_of_the_protocol():
    document = (DOCS / "protocol.md").read_text()
    named = set()
    for package in ("gadgets", "server"):
        for path in (DOCS.parent / package).rglob("*.py"):
            named |= set(re.findall(r"\bScanside[A-Z]\w+", path.read_text()))
    named -= {"ScansideError", "ScansideSampled", "ScansideSampledY", "ScansideSampledZ"}
    assert sorted(name for name in named if f"`{name}`" not in document) == []
