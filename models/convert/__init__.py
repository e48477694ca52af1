"""Models of PyTorch, ONNX, Keras and JAX become ONNX with a card.

The conversion runs in the interpreter that has the framework, in a process of its own.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import card as cards
from models.card import Card, Envelope, Weights
from models.errors import ModelError
from models.foreign import Foreign

CHILD = Path(__file__).parent / "child.py"

PATIENCE = 1800.0
"""Seconds that a conversion may take."""

TOLERANCE = 1e-4
"""Largest difference between the framework and ONNX Runtime, relative to the largest value."""

SAMPLE = 2, 48, 40
"""Batch, y and x of the image that both are compared on."""

OPERATORS = (
    r"aten[.:]+[\w.]+",
    r"prims[.:]+[\w.]+",
    r"JAX primitive '([\w.]+)'",
    r"primitive[: ]+'?([\w-]+)'?",
    r"No Op registered for (\w+)",
    r"node.*?\b([A-Z]\w+)\(-?\d+\)",
    r"op[_ ]type[: ]+'?(\w+)'?",
    r"(\w+)\(-?\d+\) is not a registered",
)
"""How frameworks name an operator that they cannot convert."""

WIDE = Envelope(
    acceleration=(0, 1e9),
    signal=(0, 1e9),
    coils=(1, 4096),
    lines=(1, 65536),
    columns=(1, 65536),
    reference_lines=0,
    contrast="not judged: whoever converted it must know",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be converted, and as what."""

    name: str
    file: Path
    design: Foreign
    item: str = ""
    """Class or function of a Python file."""

    weights: Path | None = None
    interpreter: Path = Path(sys.executable)
    """Of the environment that has the framework."""

    licence: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What came of it."""

    card: Path
    operators: tuple[str, ...]
    difference: float
    """Between the framework and ONNX Runtime, relative to the largest value."""


def convert(request: Request, folder: Path) -> Converted:
    """Write NAME.onnx and NAME.yml into a folder.

    Raises ModelError, and leaves nothing, where the framework cannot convert the model (an operator that it
    does not know is named), where ONNX Runtime cannot run it, or where the two differ.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", request.name):
        raise ModelError(
            f"a model's name is {request.name!r}, expected lower-case letters, digits and dashes"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".convert-") as place:
        made, sample = Path(place) / f"{request.name}.onnx", Path(place) / "sample.npz"
        _child(request, made, sample)
        operators, difference = _judged(made, sample, request)
        content = made.read_bytes()
        made.replace(folder / made.name)
    stated = _card(request, hashlib.sha256(content).hexdigest(), difference)
    path = folder / f"{request.name}.yml"
    path.write_text(cards.text(stated))
    return Converted(card=path, operators=operators, difference=difference)


def _child(request: Request, made: Path, sample: Path) -> None:
    """Run the converter. Its environment has no path of ours, its standard error is what we report."""
    words = {
        "source": request.design.source,
        "file": str(request.file.resolve()),
        "item": request.item,
        "weights": str(request.weights.resolve()) if request.weights else "",
        "shape": list(request.design.shape(*SAMPLE)),
        "free": list(request.design.free),
        "output": str(made.resolve()),
        "sample": str(sample.resolve()),
    }
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    try:
        ended = subprocess.run(
            [str(request.interpreter), "-I", str(CHILD), json.dumps(words)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            cwd=made.parent,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"converter {request.interpreter}: {error}") from error
    if ended.returncode or not made.exists():
        raise ModelError(f"{request.file.name} cannot be converted: {reason(ended.stderr)}")


def reason(words: str) -> str:
    """The operator that a converter's standard error names, and its last line."""
    lines = [line.strip() for line in words.strip().splitlines() if line.strip()] or ["it said nothing"]
    last = next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), lines[-1])
    for pattern in OPERATORS:
        if found := re.search(pattern, last) or re.search(pattern, words):
            return f"operator {found.group(found.lastindex or 0)} is not supported: {last[:300]}"
    return last[:300]


def _judged(made: Path, sample: Path, request: Request) -> tuple[tuple[str, ...], float]:
    """The operators of the file, and how far ONNX Runtime is from the framework."""
    import onnx

    from models.backends.ort import OnnxRuntime

    try:
        session = OnnxRuntime(made)
    except ModelError as error:
        raise ModelError(f"{request.file.name} cannot be run: {reason(str(error))}") from error
    with np.load(sample, allow_pickle=False) as stored:
        given, answer = torch.from_numpy(stored["given"]), torch.from_numpy(stored["answer"])
    found = session.infer((given,))
    if found.shape != answer.shape:
        shapes = f"{tuple(found.shape)}, {request.design.source} {tuple(answer.shape)}"
        raise ModelError(f"{request.file.name}: ONNX Runtime gives {shapes}")
    difference = float((found - answer).abs().max() / answer.abs().max().clamp(min=1e-20))
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{request.file.name}: ONNX Runtime differs from {request.design.source} by {difference:.1e} "
            f"of the largest value, allowed are {TOLERANCE:.0e}"
        )
    images = torch.zeros(SAMPLE, dtype=torch.complex64)
    request.design.answer(found, images, torch.ones(len(images), 1, 1))
    graph: Any = onnx.load(str(made)).graph
    return tuple(sorted({node.op_type for node in graph.node})), difference


def _card(request: Request, sha256: str, difference: float) -> Card:
    design = request.design
    fed = {1: "magnitude", 2: "real and imaginary part", 3: "real and imaginary part, noise map"}
    return Card(
        name=request.name,
        version=1,
        task={"image": "image to image"}.get(design.task, design.task),
        takes=f"{fed[design.channels]}; {'SNR units' if design.scale == 'snr' else 'peak 1'}",
        gives="the image",
        design=design,
        weights=Weights(file=f"{request.name}.onnx", sha256=sha256),
        envelope=WIDE,
        corpus="unknown to Scanside: trained by others",
        recipe="",
        licence=request.licence,
        quality={"onnxruntime against " + design.source: f"{difference:.1e} of the largest value"},
    )
