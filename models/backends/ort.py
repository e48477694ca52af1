"""The exported network in ONNX Runtime: on the processor, by CUDA, or by its TensorRT provider."""

from pathlib import Path
from typing import Any

import torch

from models.errors import ModelError
from models.forms import Inputs

PROVIDERS = {
    "onnxruntime": "CPUExecutionProvider",
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
}
"""By the name of the backend."""


class OnnxRuntime:
    """One session over an exported file, with as many threads as torch may use."""

    def __init__(self, path: Path, name: str = "onnxruntime", precision: str = "fp32") -> None:
        self.name, self.precision = name, precision
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("backend onnxruntime is not installed: pip install scanside[onnx]") from error
        provider, there = PROVIDERS[name], onnxruntime.get_available_providers()
        if provider not in there:
            raise ModelError(f"backend {name}: this ONNX Runtime has no {provider}, only {', '.join(there)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(path.parent)}
        own = {"TensorrtExecutionProvider": kept}.get(provider, {})
        self._errors = _errors()
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=[(provider, own)])
        except self._errors as error:
            raise ModelError(f"ONNX Runtime refuses {path.name}: {error}") from error
        if self._session.get_providers()[0] != provider:
            raise ModelError(f"backend {name}: ONNX Runtime could not start {provider}")
        self._names = [each.name for each in self._session.get_inputs()]

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        fed = {name: part.contiguous().numpy() for name, part in zip(self._names, inputs, strict=True)}
        try:
            return torch.from_numpy(self._session.run(None, fed)[0])
        except self._errors as error:
            raise ModelError(f"backend {self.name}: {error}") from error


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: classes of its own, without a common root."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*own, RuntimeError, ValueError)
