"""TensorRT-RTX engines, and the folder where they last: built of an exported model, never shipped."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.errors import ModelError
from models.export import NAMES
from models.nets.unet import MULTIPLE

SIDES = (64, 192, 512)
"""Least, best and greatest side of an image that an engine is built for."""

BATCH = (1, 1, 32)


def profile(name: str, step: int) -> tuple[int, ...]:
    """The shape of an input at a step (0 least, 1 best, 2 greatest) of the profile."""
    side, batch = SIDES[step] // MULTIPLE * MULTIPLE, BATCH[step]
    shapes = {"matrix": (side, side, 2 * side), "sd": (batch, 1, side, side)}
    return shapes.get(name, (batch, 2, side, side))


def build(source: Path, path: Path) -> dict[str, int]:
    """Build an engine of an ONNX file by TensorRT-RTX, on any machine; how many layers of each kind it has.

    Raises ModelError where TensorRT-RTX is missing, or where it refuses the graph, with its own words.
    """
    try:
        import tensorrt_rtx as trt
    except ImportError as error:
        raise ModelError("engines need tensorrt_rtx: pip install scanside[engine]") from error
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(source.read_bytes()):
        words = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ModelError(f"TensorRT-RTX refuses {source.name}: {words}")
    config = builder.create_builder_config()
    shapes = builder.create_optimization_profile()
    for name in NAMES:
        shapes.set_shape(name, *(profile(name, step) for step in range(3)))
    config.add_optimization_profile(shapes)
    plan: Any = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"TensorRT-RTX builds no engine of {source.name}")
    _write(path, bytes(plan))
    layers: dict[str, int] = {}
    for index in range(network.num_layers):
        kind = str(network.get_layer(index).type).rpartition(".")[2]
        layers[kind] = layers.get(kind, 0) + 1
    return dict(sorted(layers.items()))


def cached(
    folder: Path, source: Path, facts: Mapping[str, str], make: Callable[[Path], None]
) -> tuple[Path, str]:
    """The engine of a source under facts that matter (version, device, precision), built where it is missing.

    Returned with why it was built: empty where it lay there whole. A changed byte of the source, or another
    fact, is another key; an engine whose own hash is not that of its note is built anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**facts, "source": hashlib.sha256(source.read_bytes()).hexdigest()}
    key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]
    path, note = folder / f"{key}.engine", folder / f"{key}.json"
    reason = _fault(path, note)
    if reason:
        part = folder / f"{key}.part"
        make(part)
        content = part.read_bytes()
        part.rename(path)
        stated = {**whole, "engine": hashlib.sha256(content).hexdigest()}
        _write(note, json.dumps(stated, indent=1).encode())
    return path, reason


def _fault(path: Path, note: Path) -> str:
    try:
        stated = json.loads(note.read_text())["engine"]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "no engine yet"
    except (ValueError, KeyError):
        return "the engine's note is damaged"
    return "" if found == stated else "the engine is damaged"


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
