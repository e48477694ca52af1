"""Networks as ONNX: real numbers only, batch and matrix free, so that any engine can be built of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.errors import ModelError
from models.zoo import Model, example

OPSET = 20
NAMES = ("linear", "adjoint", "matrix", "sd")
TOLERANCE = 1e-4
"""Largest difference between torch and another backend, relative to the image's largest value."""

FORBIDDEN = ("DFT", "STFT", "Complex", "FFT")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an exported file holds."""

    path: Path
    operators: dict[str, int]
    """How many nodes of each kind."""


def export(model: Model, path: Path) -> Exported:
    """Write the network as ONNX. Raises ModelError where a graph would hold a complex type or a transform."""
    _needed()
    free = torch.export.Dim.AUTO
    image, matrix = {0: free, 2: free, 3: free}, {0: free, 1: free, 2: free}
    shapes = {"linear": image, "adjoint": image, "matrix": matrix, "sd": image}
    program = torch.export.export(model.network, example(2), dynamic_shapes=shapes, strict=False)
    exported: Any = torch.onnx.export(
        program,
        input_names=NAMES,
        output_names=("image",),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
        optimize=False,
    )
    part = path.with_suffix(".part")
    exported.save(str(part), external_data=False)
    part.rename(path)
    return inspect(path)


def inspect(path: Path) -> Exported:
    """The operators of a file. Raises ModelError for complex types and Fourier transforms."""
    _needed()
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


def _needed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError("export needs onnx and onnxscript: pip install scanside[onnx]") from error
