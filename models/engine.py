"""The folder where engines last: each under a key of all that matters, built anew where it is damaged."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from models import places
from models.backends import trt
from models.export import export, kept
from models.export import fault as unfit
from models.forms import Form
from models.precision import TOLERANCE
from models.zoo import Model


def facts(form: Form, library: str, precision: str) -> dict[str, str]:
    """What else than the model an engine depends on: library, device, driver, precision, profiles."""
    device, ability, driver = "none", "none", "none"
    if torch.cuda.is_available():
        device, ability = torch.cuda.get_device_name(), str(torch.cuda.get_device_capability())
        driver = str(torch.version.cuda)
    return {
        "library": f"{library} {trt.library(library).__version__}",
        "device": device,
        "capability": ability,
        "cuda": driver,
        "precision": precision,
        "profiles": f"{trt.LINES[: form.profiles]} {form.columns} {form.batch}",
    }


def engine(model: Model, library: str = "tensorrt_rtx", precision: str = "fp32") -> tuple[Path, str]:
    """The engine of a model on this machine, exported and built where it is missing, and why it was built.

    Raises ModelError where the library is missing or refuses the graph.
    """
    source = kept(model, precision)
    if unfit(source):
        export(model, source, precision)

    def make(path: Path) -> None:
        plan, layers = trt.build(source, model.form, library)
        path.write_bytes(plan)
        report = json.dumps({"layers": layers, "tolerance": TOLERANCE[precision]}, indent=1)
        source.with_suffix(f".{library}.json").write_text(report)

    return cached(places.engines(), source, facts(model.form, library, precision), make)


def cached(
    folder: Path, source: Path, facts: Mapping[str, str], make: Callable[[Path], None]
) -> tuple[Path, str]:
    """The engine of a source under facts that matter (version, device, precision), built where it is missing.

    Returned with why it was built: empty where it lay there whole. A changed byte of the source, or another
    fact, is another key; an engine whose own hash is not that of its note is built anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, note, whole = where(folder, source, facts)
    reason = fault(path, note)
    if reason:
        part = path.with_suffix(f".{os.getpid()}.part")
        make(part)
        content = part.read_bytes()
        part.replace(path)
        stated = {**whole, "engine": hashlib.sha256(content).hexdigest()}
        other = note.with_suffix(f".{os.getpid()}.note")
        other.write_text(json.dumps(stated, indent=1))
        other.replace(note)
    return path, reason


def where(folder: Path, source: Path, facts: Mapping[str, str]) -> tuple[Path, Path, dict[str, str]]:
    """The engine's path, that of its note, and all that its key is made of."""
    whole = {**facts, "source": hashlib.sha256(source.read_bytes()).hexdigest()}
    key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]
    return folder / f"{key}.engine", folder / f"{key}.json", whole


def fault(path: Path, note: Path) -> str:
    """Why an engine cannot be used; empty where it can."""
    try:
        stated = json.loads(note.read_text())["engine"]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "no engine yet"
    except (ValueError, KeyError):
        return "the engine's note is damaged"
    return "" if found == stated else "the engine is damaged"
