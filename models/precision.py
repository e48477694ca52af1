"""Precisions that are written into a network: engines of strong types take them as they stand."""

import copy
from typing import Literal

import torch
from torch import nn

from models.errors import ModelError

Precision = Literal["fp32", "mixed"]
"""``mixed``: convolutions in float16, all else (data consistency, sums) in float32."""

TOLERANCE: dict[str, float] = {"fp32": 1e-4, "mixed": 5e-3}
"""Largest difference from the float32 network in torch, relative to the image's largest value."""


class Half(nn.Module):
    """A regulariser in float16 between float32 images.

    Its input is divided by its largest value and its answer multiplied: regularisers are homogeneous, and
    so no SNR is beyond float16.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.half()

    def forward(self, image: torch.Tensor, *series: int) -> torch.Tensor:
        """[batch, channel, y, x], both float32; the frames of series share one largest value."""
        axes = (0, 1, 2, 3) if series else (1, 2, 3)
        scale = image.abs().amax(axes, keepdim=True).clamp(min=1e-20)
        found: torch.Tensor = self.inner((image / scale).half(), *series)
        return found.float() * scale


def written(network: nn.Module, precision: str) -> nn.Module:
    """The network in a precision; itself for ``fp32``. Raises ModelError for one that is unknown.

    The children of a network are its regularisers; what it computes between them stays in float32.
    """
    if precision == "fp32":
        return network
    if precision != "mixed":
        raise ModelError(f"precision {precision!r} is unknown; there are {', '.join(TOLERANCE)}")
    other = copy.deepcopy(network)
    for name, part in list(other.named_children()):
        lists = isinstance(part, nn.ModuleList)
        setattr(other, name, nn.ModuleList([Half(each) for each in part.children()]) if lists else Half(part))
    return other.eval()
