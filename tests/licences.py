"""The list of third-party software, made from the lock: ``python -m tests.licences``."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = ROOT / "docs" / "third-party.md"
BEGIN, END = "<!-- made by python -m tests.licences -->\n", "<!-- /made -->"

HERE_ONLY = "developers only"


def locked():
    """Names and versions, as ``constraints.txt`` pins them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def licence(name):
    """As the package itself says it, in a few words."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    short = said["License-Expression"] or ""
    classes = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or () if "License" in each]
    plain = (said["License"] or "").strip().splitlines()
    return short or ", ".join(classes) or (plain[0] if plain else "")


def requirements(name, extra=""):
    """What a package needs by itself, or for an extra of it."""
    try:
        needs = metadata(name).get_all("Requires-Dist") or ()
    except PackageNotFoundError:
        return set()
    wanted = [each for each in needs if ("extra ==" in each) == bool(extra)]
    found = [
        re.match(r"[\w.-]+", each)[0]
        for each in wanted
        if not extra or f"'{extra}'" in each.replace('"', "'")
    ]
    return {each.lower().replace("_", "-") for each in found}


def shipped():
    """What an installation with all extras brings, by name."""
    fresh = requirements("scanside").union(
        *(requirements("scanside", each) for each in ("convert", "dicom", "onnx", "traces", "train"))
    )
    known = set()
    while fresh:
        known |= fresh
        fresh = set().union(*map(requirements, fresh)) - known
    return known


def table():
    ships = shipped()
    lines = ["| package | version | licence | |", "| --- | --- | --- | --- |"]
    for name, version in sorted(locked().items(), key=lambda each: each[0].lower()):
        here = "" if name.lower().replace("_", "-") in ships else HERE_ONLY
        lines.append(f"| {name} | {version} | {licence(name) or 'see the package'} | {here} |")
    return "\n".join(lines)


if __name__ == "__main__":
    before, _, rest = LIST.read_text().partition(BEGIN)
    LIST.write_text(f"{before}{BEGIN}\n{table()}\n\n{END}{rest.partition(END)[2]}")
