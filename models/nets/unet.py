"""Regularisers: what one step of an unrolled network adds to the image.

No layer has a bias and every activation is piecewise linear, so that a regulariser is homogeneous: image and
noise map times a give the answer times a. The unit of the signal can then never matter (Mohan et al., ICLR
2020: such networks also carry over to noise levels that they were not trained at).
"""

import torch
from torch import nn

MULTIPLE = 8
"""The sides of images must be multiples of this."""


def convolution(taken: int, given: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the matrix (over the stride)."""
    padding = size // 2 if stride == 1 else 0
    return nn.Conv2d(taken, given, size, stride=stride, padding=padding, bias=False)


class Residual(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[batch, width, y, x]."""
        again: torch.Tensor = self.second(torch.relu(self.first(features)))
        return features + again


class UNet(nn.Module):
    """A U-Net of residual blocks whose finest level has half the matrix: 2 x 2 pixels are channels there.

    Three levels see about 100 pixels around each one, at the cost of a few convolutions of the whole matrix.
    """

    def __init__(self, taken: int, given: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.enter = convolution(4 * taken, fine)
        self.down = nn.ModuleList([convolution(fine, middle, 2, 2), convolution(middle, coarse, 2, 2)])
        self.descend = nn.ModuleList([Residual(fine), Residual(middle)])
        self.bottom = nn.Sequential(Residual(coarse), Residual(coarse))
        self.ascend = nn.ModuleList([Residual(middle), Residual(fine)])
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(coarse, middle, 2, 2, bias=False),
                nn.ConvTranspose2d(middle, fine, 2, 2, bias=False),
            ]
        )
        self.leave = convolution(fine, 4 * given)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """[batch, taken, y, x] to [batch, given, y, x]; sides are multiples of ``MULTIPLE``."""
        fine = self.descend[0](self.enter(nn.functional.pixel_unshuffle(image, 2)))
        middle = self.descend[1](self.down[0](fine))
        coarse = self.bottom(self.down[1](middle))
        middle = self.ascend[0](middle + self.up[0](coarse))
        fine = self.ascend[1](fine + self.up[1](middle))
        return nn.functional.pixel_shuffle(self.leave(fine), 2)


class Plain(nn.Module):
    """Convolutions of the whole matrix one after the other (Schlemper et al., IEEE TMI 37:491, 2018)."""

    def __init__(self, taken: int, given: int, width: int, depth: int) -> None:
        super().__init__()
        middle = [convolution(width, width) for _ in range(depth - 2)]
        self.layers = nn.ModuleList([convolution(taken, width), *middle])
        self.last = convolution(width, given)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """[batch, taken, y, x] to [batch, given, y, x]."""
        for layer in self.layers:
            image = torch.relu(layer(image))
        last: torch.Tensor = self.last(image)
        return last
