"""A denoiser: an image and the sd of its noise at each pixel give the image without that noise."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from models.nets.unet import UNet


@dataclass(frozen=True, kw_only=True)
class Denoising:
    """What a denoiser looks like."""

    kind: Literal["denoiser"]
    widths: tuple[int, int, int] = (32, 48, 64)
    """Channels of the U-Net's levels."""


class Denoiser(nn.Module):
    """image + U-Net(image, sd): homogeneous of degree one, so the unit of the two never matters."""

    def __init__(self, design: Denoising) -> None:
        super().__init__()
        self.design = design
        self.regulariser = UNet(3, 2, design.widths)
        with torch.no_grad():
            self.regulariser.leave.weight.mul_(0.1)

    def forward(self, image: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """The image [batch, 2, y, x] of a noisy one and its noise map [batch, 1, y, x]."""
        added: torch.Tensor = self.regulariser(torch.cat([image, sd], 1))
        return image + added
