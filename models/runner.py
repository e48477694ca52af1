"""One ``infer`` for all backends: images in, images out, whatever runs the network."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from models.backends import Backend
from models.backends.eager import Cuda, Graphs, Torch
from models.backends.ort import PROVIDERS, OnnxRuntime
from models.backends.trt import LIBRARIES, Engine
from models.errors import ModelError
from models.export import fault, kept
from models.foreign import Foreign
from models.forms import Inputs, pad, pad_matrix
from models.precision import TOLERANCE
from models.zoo import Model

__all__ = ["BACKENDS", "Backend", "Inputs", "gate", "pad", "pad_matrix", "serving", "shared", "start"]

BACKENDS = ("tensorrt", "tensorrt_rtx", "torch-graph", "torch-cuda", "torch", *PROVIDERS)
"""By preference."""


def start(
    model: Model, backend: str = "torch", exported: Path | None = None, precision: str = "fp32"
) -> Backend:
    """The backend of a name, not yet compared with torch.

    Raises ModelError where it is unknown, not installed, has no device, or where its export or engine is not
    there yet (``scanside models export``, ``build``).
    """
    if backend not in BACKENDS:
        raise ModelError(f"backend {backend!r} is unknown; there are {', '.join(BACKENDS)}")
    if backend in PROVIDERS:
        return OnnxRuntime(_exported(model, exported, precision, backend), backend, precision)
    if backend in LIBRARIES:
        return _engine(model, backend, precision)
    if precision != "fp32":
        raise ModelError(f"backend {backend} computes in fp32, not in {precision!r}")
    kinds: dict[str, Callable[[torch.nn.Module], Backend]] = {
        "torch": Torch,
        "torch-cuda": Cuda,
        "torch-graph": Graphs,
    }
    return kinds[backend](model.network)


def _exported(model: Model, given: Path | None, precision: str, backend: str) -> Path:
    if given is not None:
        return given
    if isinstance(model.card.design, Foreign):
        return model.path.parent / model.card.weights.file
    path = kept(model, precision)
    if reason := fault(path):
        raise ModelError(f"backend {backend}: {reason}: scanside models build {model.card.name}")
    return path


def _engine(model: Model, backend: str, precision: str) -> Backend:
    from models import engine, places

    if not torch.cuda.is_available():
        raise ModelError(f"backend {backend}: torch finds no CUDA device")
    source = _exported(model, None, precision, backend)
    path, note, _ = engine.where(places.engines(), source, engine.facts(model.form, backend, precision))
    if reason := engine.fault(path, note):
        raise ModelError(f"backend {backend}: {reason}: scanside models build {model.card.name}")
    return Engine(path.read_bytes(), model.form, backend, precision)


def gate(model: Model, candidate: Backend) -> float:
    """The largest difference of a backend from the network in torch, relative to the image's largest value.

    Two batches and matrices. Raises ModelError where it is above what the precision allows.
    """
    expected, limit = Torch(model.network), TOLERANCE[candidate.precision]
    worst = 0.0
    for batch, shape, seed in ((1, (64, 72), 1), (2, (96, 64), 2)):
        inputs = model.form.example(batch, shape, seed)
        truth, found = expected.infer(inputs), candidate.infer(inputs)
        if found.shape != truth.shape:
            raise ModelError(
                f"backend {candidate.name} gives {tuple(found.shape)}, torch {tuple(truth.shape)}"
            )
        difference = float((found - truth).abs().max() / truth.abs().max())
        worst = max(worst, difference if math.isfinite(difference) else float("inf"))
    if worst > limit:
        raise ModelError(
            f"backend {candidate.name} ({candidate.precision}) differs from torch by {worst:.1e} "
            f"of {model.card.name}'s image, allowed are {limit:.0e}"
        )
    return worst


_lock = threading.Lock()
_known: dict[str, Model] = {}
_serving: dict[tuple[str, str, str], Backend] = {}


def shared(name: str) -> Model:
    """A model that all gadgets of this process share; it is loaded, and its hash checked, once."""
    from models.zoo import load

    with _lock:
        if name not in _known:
            _known[name] = load(name)
        return _known[name]


def serving(model: Model, backend: str = "torch", precision: str = "fp32") -> tuple[Backend, str]:
    """The backend for a scan that begins, and why it is not the one that was asked for (else empty).

    ``auto``: the first of ``BACKENDS`` that is there. Every backend but torch on the processor passes
    ``gate`` first; all sessions of a process share it then. Where an export or an engine is missing or
    damaged, torch serves this scan while another process builds it for later ones.
    """
    from models import background

    if isinstance(model.card.design, Foreign):
        return _converted(model, backend), ""
    reasons: list[str] = []
    for name in (*BACKENDS[: BACKENDS.index("torch") + 1],) if backend == "auto" else (backend, "torch"):
        key = model.sha256, name, precision if name in (*LIBRARIES, *PROVIDERS) else "fp32"
        try:
            with _lock:
                if key not in _serving:
                    _serving[key] = _passed(model, *key[1:])
                return _serving[key], "" if backend in (name, "auto") else "; ".join(reasons)
        except ModelError as error:
            reasons.append(str(error))
            background.build(model, key[1], key[2], asked=backend != "auto")
    raise ModelError("; ".join(reasons))


def _converted(model: Model, backend: str) -> Backend:
    """What runs a converted model: its answers were compared when it was converted."""
    name = backend if backend in PROVIDERS else "onnxruntime"
    key = model.sha256, name, "fp32"
    with _lock:
        if key not in _serving:
            _serving[key] = start(model, name)
        return _serving[key]


def _passed(model: Model, name: str, precision: str) -> Backend:
    found = start(model, name, precision=precision)
    if name != "torch":
        gate(model, found)
    return found
