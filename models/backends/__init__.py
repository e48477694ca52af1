"""What runs a network: torch, ONNX Runtime, TensorRT; all give the same image within their precision."""

from typing import Protocol

import torch

from models.forms import Inputs


class Backend(Protocol):
    """Something that runs one network."""

    @property
    def name(self) -> str:
        """As an image's meta says it."""

    @property
    def precision(self) -> str:
        """Of the arithmetic: ``fp32`` or ``mixed``."""

    def infer(self, inputs: Inputs) -> torch.Tensor:
        """The image [batch, 2, y, x], on the processor; sides of the inputs are multiples of ``MULTIPLE``."""
