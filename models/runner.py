"""One ``infer`` for all backends: images in, images out, whatever runs the network."""

import threading
from pathlib import Path
from typing import Any, Protocol

import torch

from models.errors import ModelError
from models.nets.unet import MULTIPLE
from models.zoo import Inputs, Model

BACKENDS = ("torch", "onnxruntime")
"""By preference."""


class Backend(Protocol):
    """Something that runs one network."""

    @property
    def name(self) -> str:
        """As an image's meta says it."""

    @property
    def precision(self) -> str:
        """Of the arithmetic: ``fp32``."""

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]; sides of the inputs are multiples of ``MULTIPLE``."""


class Torch:
    """The network itself, on this processor."""

    name, precision = "torch", "fp32"

    def __init__(self, model: Model) -> None:
        self._network = model.network

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        with torch.inference_mode():
            image: torch.Tensor = self._network(*inputs)
        return image.clone()


class OnnxRuntime:
    """The exported network in ONNX Runtime on this processor, with as many threads as torch may use."""

    name, precision = "onnxruntime", "fp32"

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("backend onnxruntime is not installed: pip install scanside[onnx]") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        names = [each.name for each in self._session.get_inputs()]
        fed = {name: part.contiguous().numpy() for name, part in zip(names, inputs, strict=True)}
        return torch.from_numpy(self._session.run(None, fed)[0])


def start(model: Model, backend: str = "torch", exported: Path | None = None) -> Backend:
    """The backend of a name. Raises ModelError where it is unknown, or not installed, or has no export."""
    if backend == "torch":
        return Torch(model)
    if backend != "onnxruntime":
        raise ModelError(f"backend {backend!r} is unknown; there are {', '.join(BACKENDS)}")
    if exported is None:
        raise ModelError("backend onnxruntime needs the exported model: scanside models export")
    return OnnxRuntime(exported)


def pad(inputs: Inputs) -> Inputs:
    """Inputs whose sides are multiples of ``MULTIPLE``: zeros below and at the right, where A^H A is 0."""
    linear, adjoint, matrix, sd = inputs
    height, width = linear.shape[-2:]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    images = [torch.nn.functional.pad(image, (0, right, 0, down)) for image in (linear, adjoint, sd)]
    return images[0], images[1], pad_matrix(matrix), images[2]


def pad_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix [x, y, 2 y] of padded images; itself where its sides are multiples of ``MULTIPLE``."""
    width, height = matrix.shape[:2]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    if not (down or right):
        return matrix
    halves = matrix[..., :height], matrix[..., height:]
    fill = torch.nn.functional.pad
    return torch.cat([fill(half, (0, down, 0, down, 0, right)) for half in halves], -1)


_lock = threading.Lock()
_known: dict[str, Model] = {}


def shared(name: str) -> Model:
    """A model that all gadgets of this process share; it is loaded, and its hash checked, once."""
    from models.zoo import load

    with _lock:
        if name not in _known:
            _known[name] = load(name)
        return _known[name]
