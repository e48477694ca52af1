"""The network itself in torch: on the processor, on a GPU, and on a GPU as a recorded CUDA graph."""

import copy
import threading
from typing import Any

import torch
from torch import nn

from models.errors import ModelError
from models.forms import Inputs
from models.nets.folded import Folded
from models.nets.segmenter import Segmenter


class Torch:
    """The network itself, on this processor."""

    name, precision = "torch", "fp32"

    def __init__(self, network: nn.Module) -> None:
        self._network = _quick(network)

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        with torch.inference_mode():
            image: torch.Tensor = self._network(*inputs)
        return image.clone()


class Cuda:
    """The network on a GPU: inputs go there through pinned memory, the image comes back the same way.

    CI has no GPU: ``pytest -m gpu`` runs it where there is one.
    """

    name, precision = "torch-cuda", "fp32"

    def __init__(self, network: nn.Module) -> None:
        self._network = _on_gpu(network, self.name)

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]."""
        with torch.inference_mode():
            image: torch.Tensor = self._network(*(onto_gpu(part) for part in inputs))
        return image.cpu()


class Graphs:
    """The network on a GPU, recorded once for each shape and replayed: no launch costs.

    CI has no GPU: ``pytest -m gpu`` runs it where there is one.
    """

    name, precision = "torch-graph", "fp32"

    def __init__(self, network: nn.Module) -> None:
        self._network = _on_gpu(network, self.name)
        self._recorded: dict[tuple[torch.Size, ...], tuple[Any, Inputs, torch.Tensor]] = {}
        self._lock = threading.Lock()

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x]; one session at a time, for the recorded buffers are shared."""
        shapes = tuple(part.shape for part in inputs)
        with self._lock, torch.inference_mode():
            if shapes not in self._recorded:
                self._recorded[shapes] = self._record(inputs)
            graph, fixed, image = self._recorded[shapes]
            for place, part in zip(fixed, inputs, strict=True):
                place.copy_(part, non_blocking=True)
            graph.replay()
            return image.cpu()

    def _record(self, inputs: Inputs) -> tuple[Any, Inputs, torch.Tensor]:
        fixed = tuple(part.to("cuda").contiguous() for part in inputs)
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                self._network(*fixed)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            image: torch.Tensor = self._network(*fixed)
        return graph, fixed, image


def _quick(network: nn.Module) -> nn.Module:
    """The network in the form that is quickest on a processor."""
    return Folded(network) if isinstance(network, Segmenter) and not network.training else network


def _on_gpu(network: nn.Module, name: str) -> nn.Module:
    """A copy of a network on the GPU, where float32 stays float32 from here on: no TF32 in this process.

    Raises ModelError without a GPU.
    """
    if not torch.cuda.is_available():
        raise ModelError(f"backend {name}: torch finds no CUDA device")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return copy.deepcopy(network).to("cuda")


def onto_gpu(part: torch.Tensor) -> torch.Tensor:
    """A tensor on the GPU; itself where it is there, else through pinned memory."""
    if part.is_cuda:
        return part.contiguous()
    return part.contiguous().pin_memory().to("cuda", non_blocking=True)
