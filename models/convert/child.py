"""Turns a model of another framework into ONNX: a program of its own, run by whatever interpreter has that.

``python child.py REQUEST``: the request is JSON with ``source`` (pytorch, onnx, keras, jax), ``file``,
``item`` (a class or function of a Python file), ``weights``, ``shape`` of an input and its ``free`` axes,
``output``, ``sample``. It writes the ONNX file, and as ``sample`` (npz) a random input with the framework's
own answer to it, by which the file is judged.

Nothing of Scanside is imported. Weights are safetensors, ``torch.load(weights_only=True)`` or
``np.load(allow_pickle=False)``; Keras loads in its safe mode. A Python file is run: that is what converting
it means, and why it stands in a process of its own.
"""

import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def main(request: dict[str, Any]) -> None:
    """Convert as asked."""
    warnings.simplefilter("ignore")
    shape = tuple(request["shape"])
    given = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    answer = SOURCES[request["source"]](request, given)
    np.savez(request["sample"], given=given, answer=np.asarray(answer, np.float32))


def pytorch(request: dict[str, Any], given: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """A program saved by ``torch.export`` (.pt2), or a class of a Python file, its weights beside it."""
    import torch

    path, given_tensor = Path(request["file"]), torch.from_numpy(given)
    if path.suffix == ".pt2":
        program = torch.export.load(path)
        module = program.module()
    else:
        module = _item(path, request["item"])().eval()
        if request.get("weights"):
            module.load_state_dict(_weights(Path(request["weights"])))
        free = dict.fromkeys(request["free"], torch.export.Dim.AUTO)
        program = torch.export.export(module, (given_tensor,), dynamic_shapes=(free,), strict=False)
    exported: Any = torch.onnx.export(program, dynamo=True, verbose=False, opset_version=20, optimize=False)
    exported.save(request["output"], external_data=False)
    with torch.no_grad():
        answer: np.ndarray[Any, Any] = module(given_tensor).numpy()
    return answer


def _weights(path: Path) -> Any:  # noqa: ANN401 - torch is not here when this file is read
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


def onnx(request: dict[str, Any], given: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """An ONNX file, checked, its external data drawn into it; they must lie in its own folder."""
    import onnx as library

    path = Path(request["file"])
    model = library.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            place = (path.parent / entry.value).resolve()
            if entry.key == "location" and path.parent.resolve() not in place.parents:
                raise ValueError(f"external data {entry.value!r} lie outside of the model's folder")
    model = library.load(str(path))
    library.checker.check_model(model)
    library.save(model, request["output"])
    from onnx.reference import ReferenceEvaluator

    (first,) = (each.name for each in model.graph.input)
    answer: Any = ReferenceEvaluator(model).run(None, {first: given})
    return np.asarray(answer[0])


def keras(request: dict[str, Any], given: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """A .keras file on Keras' torch backend."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as library

    model = library.saving.load_model(request["file"], safe_mode=True, compile=False)
    with library.src.backend.torch.core.torch.no_grad():
        answer = library.ops.convert_to_numpy(model(given))
    model.export(request["output"], format="onnx", verbose=False)
    found: np.ndarray[Any, Any] = answer
    return found


def jax(request: dict[str, Any], given: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """A function of a Python file, of one array; its parameters are what that file loads."""
    import jax2onnx

    function = _item(Path(request["file"]), request["item"])
    sizes = tuple(f"d{axis}" if axis in request["free"] else size for axis, size in enumerate(given.shape))
    jax2onnx.to_onnx(function, [sizes], return_mode="file", output_path=request["output"])
    answer: np.ndarray[Any, Any] = np.asarray(function(given))
    return answer


def _item(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever the file has
    spec = importlib.util.spec_from_file_location("converted", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return getattr(module, name)


SOURCES = {"pytorch": pytorch, "onnx": onnx, "keras": keras, "jax": jax}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
