"""The code in the documents runs."""

import argparse
import ast
import inspect
import os
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from itertools import pairwise
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
    (pipe,) = (block for block in code(README, "sh") if "< scan.mrd" in block)
    told = shell(tmp_path, pipe)
    assert [line.split(", ")[2] for line in told.splitlines() if "series" in line] == [
        "role image",
        "role gfactor",
    ]
    assert (tmp_path / "images.png").exists()
    back = "scanside convert images.mrd -o images.h5"
    assert shell(tmp_path, back) == "images.h5: 2 images\n"


@pytest.mark.slow
def test_the_pipe_of_the_protocol_runs(tmp_path):
    (pipe,) = (block for block in code("protocol.md", "sh") if "< scan.mrd" in block)
    simulate = "scanside simulate shepp-logan --matrix 32 --coils 2 -o scan.h5\n"
    assert shell(tmp_path, simulate + pipe).splitlines()[2:] == ["2 images"]


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


def test_the_package_of_the_document_is_made(tmp_path):
    printed = shell(tmp_path, code("deploy.md", "sh")[-1])
    assert "OpenRecon_site_cartesianfft_V" in printed


def test_every_word_of_the_command_stands_in_the_readme():
    from server.cli import COMMANDS

    rows = [line.split("|")[1] for line in README.read_text().splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", "".join(rows)))
    assert named == {command.__name__.rpartition(".")[2] for command in COMMANDS}


def test_every_message_stands_in_the_document_of_the_protocol():
    from server.wire.kinds import Kind

    document = (DOCS / "protocol.md").read_text()
    assert [kind for kind in Kind if not re.search(rf"\b{kind.value}\b", document)] == []


def test_every_installed_chain_stands_in_the_document_of_chains():
    from server.chain import chains

    for end, name in ((".xml", "gadgetron.md"), ("", "chains.md")):
        document = (DOCS / name).read_text()
        named = [each for each in chains() if each.endswith(".xml") == bool(end)]
        assert [each for each in named if f"| `{each}` |" not in document] == []


def test_every_link_between_the_documents_leads_somewhere():
    for page in (README, *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def meanings(kind):
    """The docstrings of a dataclass's fields, by name, each as one line."""
    body = ast.parse(inspect.getsource(kind)).body[0].body
    return {
        one.target.id: " ".join(said.value.value.split())
        for one, said in pairwise(body)
        if isinstance(one, ast.AnnAssign)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
    }


def flags():
    """The flags of ``serve`` by setting."""
    from server.commands import serve

    words = argparse.ArgumentParser().add_subparsers()
    serve.add(words)
    actions = words.choices["serve"]._actions
    return {one.dest: max(one.option_strings, key=len) for one in actions}


def shown(value):
    """A default as TOML would have it."""
    if value is None or value is MISSING:
        return ""
    return "`[]`" if value == () else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table(kind, known=None):
    """The settings of a dataclass as a table, as it is declared; with flags where there are some."""
    said = meanings(kind)
    lines = [("setting", "flag", "default", "what it is"), ("---",) * 4]
    for one in fields(kind):
        flag = f"`{known[one.name]}`" if known and one.name in known else ""
        lines.append((f"`{one.name}`", flag, shown(one.default), said.get(one.name, "").replace("``", "`")))
    chosen = lines if known else [(name, *rest) for name, _, *rest in lines]
    return "\n".join("|".join(("", *(f" {cell} " for cell in line), "")) for line in chosen)


def filled(page, **tables):
    """A document with its tables as the declarations have them."""
    text = (DOCS / page).read_text()
    for name, made in tables.items():
        begin, end = f"<!-- {name}: made by python -m tests.test_docs -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{made}\n\n{end}{rest.partition(end)[2]}"
    return text


def deployed():
    from server.dicom.destination import Archive, Worklist
    from server.external.programs import Program
    from server.peers import Peer
    from server.settings import Settings

    made = {"settings": table(Settings, flags()), "peers": table(Peer), "external": table(Program)}
    made |= {"archives": table(Archive), "worklist": table(Worklist)}
    return filled("deploy.md", **made)


def mapped():
    """docs/gadgetron.md with the table of ``server.gadgetron``."""
    from server.gadgetron.rules import Only, Sets
    from server.gadgetron.table import RULES

    lines = ["| Gadgetron | here | properties that count | what differs |", "|---|---|---|---|"]
    for kind, rule in RULES.items():
        here = " ".join(f"`{name}`" for name, _ in rule.steps)
        sets = {}
        for name, each in rule.properties.items():
            if isinstance(each, Sets):
                sets.setdefault(each.where, []).append(f"`{name}`")
            elif isinstance(each, Only):
                sets.setdefault(f"only {each.values[0]}", []).append(f"`{name}`")
        counts = "; ".join(f"{', '.join(names)}: {where}" for where, names in sets.items())
        lines.append(f"| `{kind}` | {here} | {counts} | {rule.differs} |")
    return filled("gadgetron.md", gadgets="\n".join(lines))


def test_the_settings_in_the_document_are_those_of_the_server():
    """``python -m tests.test_docs`` brings it up to date."""
    assert (DOCS / "deploy.md").read_text() == deployed()


def test_the_gadgets_of_gadgetron_in_the_document_are_those_of_the_table():
    """``python -m tests.test_docs`` brings it up to date."""
    assert (DOCS / "gadgetron.md").read_text() == mapped()


def test_the_settings_of_the_document_are_valid(tmp_path):
    from server.settings import read_settings

    (text,) = code("deploy.md", "toml")
    (tmp_path / "settings.toml").write_text(text)
    found = read_settings({}, tmp_path / "settings.toml")
    assert (found.limits.message, found.peers[0].nul, found.spool_days) == (1 << 29, True, 14)


def test_every_test_that_holds_a_hazard_exists():
    files = (each.read_text() for each in Path(__file__).parent.rglob("test_*.py"))
    known = {name for text in files for name in re.findall(r"def (test_\w+)", text)}
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "safety.md").read_text()))
    assert named
    assert sorted(named - known) == []


def test_the_list_of_third_party_software_is_that_of_the_lock():
    from tests.licences import LIST, locked

    rows = re.findall(r"^\| (\S+) \| (\S+) \| \S", LIST.read_text(), re.MULTILINE)
    assert dict(rows[2:]) == locked(), "run python -m tests.licences"


if __name__ == "__main__":
    (DOCS / "deploy.md").write_text(deployed())
    (DOCS / "gadgetron.md").write_text(mapped())
