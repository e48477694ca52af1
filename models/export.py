"""Networks as ONNX: real numbers only, batch and matrix free, so that any engine can be built of them."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models import places
from models.errors import ModelError
from models.folding import folded
from models.forms import Form
from models.precision import TOLERANCE as TOLERANCES
from models.precision import written
from models.zoo import Model

OPSET = 20
OUTPUT = "image"
TOLERANCE = TOLERANCES["fp32"]

FORBIDDEN = ("DFT", "STFT", "Complex", "FFT")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an exported file holds."""

    path: Path
    operators: dict[str, int]
    """How many nodes of each kind."""


def export(model: Model, path: Path, precision: str = "fp32") -> Exported:
    """Write the network as ONNX in a precision that the graph itself states.

    Raises ModelError where a graph would hold a complex type or a transform, or take one batch only.
    """
    needed()
    form = model.form
    free = torch.export.Dim.AUTO
    shapes = tuple(dict.fromkeys(form.free()[name], free) for name in form.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.export.export(
            written(model.network, precision),
            form.example(2, (32, 24), 0),
            dynamic_shapes=shapes,
            strict=False,
        )
        _free(program, form)
        exported: Any = torch.onnx.export(
            program,
            input_names=form.names,
            output_names=(OUTPUT,),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            optimize=False,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    proto = exported.model_proto
    folded(proto)
    part.write_bytes(proto.SerializeToString())
    found = inspect(part)
    _note(path).write_text(hashlib.sha256(part.read_bytes()).hexdigest())
    part.rename(path)
    return Exported(path=path, operators=found.operators)


def _free(program: "torch.export.ExportedProgram", form: Form) -> None:
    """Raises ModelError where an axis of an input has become the example's: Python has computed with it."""
    from torch.fx.experimental.symbolic_shapes import is_concrete_int  # 70 MB that only an export needs

    names = program.graph_signature.user_inputs
    nodes = {node.name: node.meta["val"] for node in program.graph.nodes if node.name in names}
    for name, (given, axes) in zip(names, form.free().items(), strict=True):
        for axis in axes:
            size = nodes[str(name)].shape[axis]
            if is_concrete_int(size):
                raise ModelError(f"an export would take {given} with {size} along axis {axis} only")


def fault(path: Path) -> str:
    """Why an export of this machine cannot be used; empty where it can."""
    try:
        stated, found = _note(path).read_text(), hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "no export yet"
    return "" if stated == found else "the export is damaged"


def _note(path: Path) -> Path:
    """Where the hash of an export stands."""
    return path.with_suffix(".sha256")


def inspect(path: Path) -> Exported:
    """The operators of a file. Raises ModelError for complex types and Fourier transforms."""
    needed()
    import onnx

    graph = onnx.load(str(path)).graph
    operators: dict[str, int] = {}
    for node in graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    complexes = {onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128}
    values = [*graph.input, *graph.output, *graph.value_info]
    typed = [value.name for value in values if value.type.tensor_type.elem_type in complexes]
    bad = [name for name in operators if any(word in name for word in FORBIDDEN)]
    if bad or typed:
        raise ModelError(
            f"{path.name} holds {', '.join(bad + typed)}: expected real numbers and no transform"
        )
    return Exported(path=path, operators=dict(sorted(operators.items())))


def kept(model: Model, precision: str = "fp32") -> Path:
    """Where the export of a model lies on this machine: another one for other weights, torch or opset."""
    facts = f"{model.sha256} {torch.__version__} {OPSET} {precision}"
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return places.engines() / f"{model.card.name}-{precision}-{key}.onnx"


def needed() -> None:
    """Raises ModelError where the packages that write ONNX are missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError("export needs onnx and onnxscript: pip install scanside[onnx]") from error
