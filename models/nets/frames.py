"""Regularisers of frames: (2+1)D convolutions over time beside a branch over temporal frequencies.

As k-t NEXT (Qin et al., MICCAI 2019) has them, with convolutions over time in place of a recurrence. Frames
are the batch, so that a series may have any number of them; several series of equally many frames stand one
behind the other. No layer has a bias: what a regulariser adds is homogeneous in what it is given.
"""

import math

import torch
from torch import nn

from models.nets.unet import convolution


class Along(nn.Module):
    """A convolution over three neighbours in time, or in temporal frequency, which is a ring."""

    def __init__(self, width: int, *, ring: bool) -> None:
        super().__init__()
        self.ring = ring
        self.inner = nn.Conv2d(width, width, (3, 1), padding=(0 if ring else 1, 0), bias=False)

    def forward(self, features: torch.Tensor, series: int) -> torch.Tensor:
        """[frame, width, y, x], of so many series one behind the other."""
        flat = by_series(features, series).flatten(-2).transpose(1, 2)
        if self.ring:
            flat = torch.cat([flat[:, :, -1:], flat, flat[:, :, :1]], 2)
        found: torch.Tensor = self.inner(flat)
        return found.transpose(1, 2).reshape(features.shape)


class Residual(nn.Module):
    """x + conv over y and x (relu(conv over t(relu(conv over y and x))))."""

    def __init__(self, width: int, *, ring: bool) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)
        self.along = Along(width, ring=ring)

    def forward(self, features: torch.Tensor, series: int) -> torch.Tensor:
        """[frame, width, y, x]."""
        again: torch.Tensor = self.second(torch.relu(self.along(torch.relu(self.first(features)), series)))
        return features + again


class UNetFrames(nn.Module):
    """The U-Net of images, whose residual blocks see neighbours in time too."""

    def __init__(self, taken: int, given: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.enter = convolution(4 * taken, fine)
        self.down = nn.ModuleList([convolution(fine, middle, 2, 2), convolution(middle, coarse, 2, 2)])
        self.blocks = nn.ModuleList(
            [Residual(width, ring=False) for width in (fine, middle, coarse, coarse, middle, fine)]
        )
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(coarse, middle, 2, 2, bias=False),
                nn.ConvTranspose2d(middle, fine, 2, 2, bias=False),
            ]
        )
        self.leave = convolution(fine, 4 * given)

    def forward(self, image: torch.Tensor, series: int) -> torch.Tensor:
        """[frame, taken, y, x] to [frame, given, y, x]; sides are multiples of ``MULTIPLE``."""
        fine = self.blocks[0](self.enter(nn.functional.pixel_unshuffle(image, 2)), series)
        middle = self.blocks[1](self.down[0](fine), series)
        coarse = self.blocks[3](self.blocks[2](self.down[1](middle), series), series)
        middle = self.blocks[4](middle + self.up[0](coarse), series)
        fine = self.blocks[5](fine + self.up[1](middle), series)
        return nn.functional.pixel_shuffle(self.leave(fine), 2)


class Frequencies(nn.Module):
    """What the image less its mean over time, and the way to the data, say at each temporal frequency."""

    def __init__(self, given: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter = convolution(4 * 5, width)
        self.blocks = nn.ModuleList([Residual(width, ring=True) for _ in range(depth)])
        self.leave = convolution(width, 4 * given)

    def forward(self, image: torch.Tensor, series: int) -> torch.Tensor:
        """[frame, 5, y, x] (image, way, noise map) to [frame, 2, y, x]."""
        spectrum, way = (over_time(part, series) for part in (image[:, :2], image[:, 2:4]))
        moves = _places(image, series).clamp(max=1)[:, None, None, None].to(image.dtype)
        moving = (by_series(spectrum, series) * moves).reshape(spectrum.shape)
        features = self.enter(nn.functional.pixel_unshuffle(torch.cat([moving, way, image[:, 4:]], 1), 2))
        for block in self.blocks:
            features = block(features, series)
        found = nn.functional.pixel_shuffle(self.leave(features), 2)
        return over_time(found, series, back=True)


class FramesNet(nn.Module):
    """Both branches, added up."""

    def __init__(self, given: int, widths: tuple[int, int, int], depth: int) -> None:
        super().__init__()
        self.times = UNetFrames(5, given, widths)
        self.frequencies = Frequencies(given, widths[0], depth)

    def forward(self, image: torch.Tensor, series: int = 1) -> torch.Tensor:
        """[frame, 5, y, x] to [frame, 2, y, x]."""
        found: torch.Tensor = self.times(image, series) + self.frequencies(image, series)
        return found


def by_series(frames: torch.Tensor, series: int) -> torch.Tensor:
    """Frames [frame, ...] of so many series as [series, frame, ...]."""
    return frames.reshape(series, -1, *frames.shape[1:])


def _places(image: torch.Tensor, series: int) -> torch.Tensor:
    """0, 1, ... for the frames of a series, float32."""
    return torch.arange(image.shape[0] // series, device=image.device, dtype=torch.float32)


def over_time(image: torch.Tensor, series: int, *, back: bool = False) -> torch.Tensor:
    """The unitary transform of two-channel frames [frame, 2, y, x] over time, or back, as a real product.

    By its matrix, which follows from the number of frames: exported graphs hold no transform. That number is
    a tensor here, for an export would keep the example's if Python computed with it.
    """
    place = _places(image, series)
    frames = place[-1:] + 1
    angle = place[:, None] * place[None] * (2 * math.pi / frames)
    size = frames.rsqrt()
    cos, sin = size * angle.cos(), (-size if back else size) * angle.sin()
    flat = by_series(image, series).flatten(2)
    even, odd = ((matrix.to(image.dtype) @ flat).reshape(image.shape) for matrix in (cos, sin))
    return torch.stack([even[:, 0] + odd[:, 1], even[:, 1] - odd[:, 0]], 1)
