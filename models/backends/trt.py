"""Engines of TensorRT 10, TensorRT 11 and TensorRT-RTX: built anywhere that allows it, run on a GPU.

The three have one interface as far as it is used here. What differs: TensorRT 11 and TensorRT-RTX know
strongly typed networks only, TensorRT 10 has to be asked for them; TensorRT builds on the GPU that will run
the engine, TensorRT-RTX on any machine.
"""

import importlib
import threading
from pathlib import Path
from typing import Any, TypeAlias

import torch

from models.backends.eager import onto_gpu
from models.errors import ModelError
from models.forms import Form, Inputs

Handle: TypeAlias = Any
"""A module or an object of a library that has no types."""

LIBRARIES = ("tensorrt", "tensorrt_rtx")

LINES = ((64, 128), (136, 192), (200, 256), (264, 320), (328, 512))
"""Sides along y, least and greatest, that an engine has a profile for each; tuned for the greatest.

Images are not padded to the next one: at its edge a network would then give other values than torch does.
"""


def library(name: str) -> Handle:
    """The module of a library. Raises ModelError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = "pip install scanside[engine]" if name == "tensorrt_rtx" else "install NVIDIA's tensorrt"
        raise ModelError(f"engines need {name}: {hint}") from error


def bucket(form: Form, lines: int, columns: int) -> int:
    """The profile of an image. Raises ModelError for one that is too small or too large."""
    ranges, wide = LINES[: form.profiles], form.columns
    for place, (least, most) in enumerate(ranges):
        if least <= lines <= most and wide[0] <= columns <= wide[-1]:
            return place
    raise ModelError(
        f"an image has {lines} lines of {columns} pixels, expected {ranges[0][0]} to {ranges[-1][1]} "
        f"of {wide[0]} to {wide[-1]} as engines are built for"
    )


def network(trt: Handle, source: Path, logger: Handle) -> tuple[Handle, Handle, Handle]:
    """Builder, strongly typed network and parser of an ONNX file.

    Raises ModelError where the library refuses the graph, with its own words.
    """
    builder = trt.Builder(logger)
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    made = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(made, logger)
    if not parser.parse(source.read_bytes()):
        words = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ModelError(f"{trt.__name__} refuses {source.name}: {words}")
    return builder, made, parser


def build(source: Path, form: Form, name: str = "tensorrt_rtx") -> tuple[bytes, dict[str, int]]:
    """An engine of an ONNX file, and how many layers it has of each kind and precision.

    No TF32: float32 stays float32, and float16 stands where the file says so. Raises ModelError.
    """
    trt = library(name)
    logger = trt.Logger(trt.Logger.ERROR)
    builder, made, parser = network(trt, source, logger)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    for least, most in LINES[: form.profiles]:
        profile, sides = builder.create_optimization_profile(), (least, most, most)
        for each in form.names:
            profile.set_shape(
                each, *(form.shape(each, form.batch[n], sides[n], form.columns[n]) for n in range(3))
            )
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(made, config)
    if plan is None:
        raise ModelError(f"{name} builds no engine of {source.name}")
    found = layers(made)
    del parser
    return bytes(plan), found


def layers(made: Handle) -> dict[str, int]:
    """How many layers of a network there are, by kind and precision of what they give."""
    counted: dict[str, int] = {}
    for index in range(made.num_layers):
        layer = made.get_layer(index)
        kind = str(layer.type).rpartition(".")[2]
        precision = str(layer.get_output(0).dtype).rpartition(".")[2] if layer.num_outputs else "NONE"
        counted[f"{kind} {precision}"] = counted.get(f"{kind} {precision}", 0) + 1
    return dict(sorted(counted.items()))


class Engine:
    """An engine on a GPU, as sessions of one process share it: they take turns.

    Tensors that are on the GPU already are not copied.

    Numbers were never compared on a GPU by this project: no machine of it has had one.
    """

    def __init__(self, plan: bytes, form: Form, name: str, precision: str) -> None:
        self.name, self.precision = name, precision
        self._form = form
        if not torch.cuda.is_available():
            raise ModelError(f"backend {name}: torch finds no CUDA device")
        trt = library(name)
        self._runtime: Any = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelError(f"backend {name} cannot load the engine: another GPU or version built it")
        self._context: Any = self._engine.create_execution_context()
        tensors = [self._engine.get_tensor_name(n) for n in range(self._engine.num_io_tensors)]
        given = trt.TensorIOMode.INPUT
        self._names = [each for each in tensors if self._engine.get_tensor_mode(each) == given]
        self._lock = threading.Lock()
        (self._output,) = (each for each in tensors if each not in self._names)

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        place = bucket(self._form, *inputs[0].shape[-2:])
        with self._lock:
            return self._run(place, [onto_gpu(part) for part in inputs]).cpu()

    def _run(self, place: int, fed: list[torch.Tensor]) -> torch.Tensor:
        stream = torch.cuda.current_stream()
        self._context.set_optimization_profile_async(place, stream.cuda_stream)
        for name, part in zip(self._names, fed, strict=True):
            self._context.set_input_shape(name, tuple(part.shape))
            self._context.set_tensor_address(name, part.data_ptr())
        image = torch.empty(tuple(self._context.get_tensor_shape(self._output)), device=fed[0].device)
        self._context.set_tensor_address(self._output, image.data_ptr())
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise ModelError(f"backend {self.name}: the engine failed")
        return image
