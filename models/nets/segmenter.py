"""A U-Net that gives each pixel of a magnitude image the scores of its classes.

O. Ronneberger et al., MICCAI 2015.

Its finest level has half the matrix, 2 x 2 pixels are channels there: a third of the time for a pixel's worth
of accuracy. The image is seen twice, as it is and over its own local mean, so that neither the unit of the
signal nor the coils' shading matter much. Channels lie innermost: convolutions then take two
thirds of the time on a processor.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

MULTIPLE = 16
"""The sides of images must be multiples of this."""

PIXEL = 2.0
CLASSES = 4
"""Background, left cavity, its muscle, right cavity."""


@dataclass(frozen=True, kw_only=True)
class SegmenterDesign:
    """What a network consists of."""

    kind: Literal["segmenter"]
    widths: tuple[int, int, int, int] = (16, 32, 96, 192)
    """Channels from the finest level to the coarsest."""

    classes: int = CLASSES
    pixel: float = PIXEL
    """Side of the pixels that it is shown [mm]."""

    frames: Literal[1, 3] = 1
    """Images of a slice that it is shown: the one to label and, of three, end-diastole and end-systole."""


def block(taken: int, given: int) -> nn.Sequential:
    """Two convolutions, each normalised over the batch and rectified."""
    layers: list[nn.Module] = []
    for width in (taken, given):
        layers += [nn.Conv2d(width, given, 3, padding=1, bias=False), nn.BatchNorm2d(given), nn.ReLU()]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """Scores of classes."""

    def __init__(self, design: SegmenterDesign) -> None:
        super().__init__()
        self.design = design
        widths = design.widths
        self.down = nn.ModuleList(
            [
                block(taken, given)
                for taken, given in zip((8 * design.frames, *widths[:-1]), widths, strict=True)
            ]
        )
        pairs = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList([block(fine + coarse, fine) for fine, coarse in pairs])
        self.leave = nn.Conv2d(widths[0], 4 * design.classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Magnitude [batch, frame, y, x] to scores [batch, class, y, x]; sides: multiples of ``MULTIPLE``."""
        features = nn.functional.pixel_unshuffle(seen(image), 2)
        features = features.contiguous(memory_format=torch.channels_last)
        kept = []
        for level, down in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = down(features)
            kept.append(features)
        for up, fine in zip(self.up, kept[-2::-1], strict=True):
            wide = nn.functional.interpolate(features, size=fine.shape[-2:], mode="nearest")
            features = up(torch.cat([fine, wide], 1))
        return nn.functional.pixel_shuffle(self.leave(features), 2)

    def shift(self, scores: torch.Tensor) -> None:
        """Add a number to the scores of each class, [class], from now on.

        The last layer gives the four pixels of a class one after the other.
        """
        assert self.leave.bias is not None
        with torch.no_grad():
            self.leave.bias += scores.to(self.leave.bias).repeat_interleave(4)


def seen(image: torch.Tensor) -> torch.Tensor:
    """The frames [batch, frame, y, x] as the network sees them [batch, 2 frames, y, x]: over the mean of all,
    and over their local mean."""
    image = image / image.mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
    coarse = nn.functional.avg_pool2d(image.mean(1, keepdim=True), 4)
    coarse = nn.functional.avg_pool2d(coarse, 9, 1, 4, count_include_pad=False)
    local = nn.functional.interpolate(coarse, scale_factor=4.0, mode="bilinear")
    return torch.cat([(0.4 * image).clamp_max(2.5), (0.6 * image / (local + 0.15)).clamp_max(2.5)], 1)
