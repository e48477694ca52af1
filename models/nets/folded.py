"""The U-Net that labels images as it runs on a processor: the same scores in two thirds of the time.

Batch normalisation becomes part of the convolution before it. A convolution of 3 x 3 over an image whose
pixels were doubled sees at most 2 x 2 different ones: for each of the four places of a fine pixel within its
coarse one it is a convolution of 2 x 2 over the coarse image, 4 products in place of 9, and the doubled image
is never made. W. Shi et al., arXiv:1609.07009, has the same for transposed convolutions.
"""

import torch
from torch import nn
from torch.nn import functional

from models.nets.segmenter import Segmenter, seen

Filter = tuple[torch.Tensor, torch.Tensor]
"""Weights [given, taken, y, x] and what is added to each channel."""

NEAR = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
"""Which taps of 3 fall on the first and the second of two coarse pixels, [place, coarse, tap]."""


class Folded(nn.Module):
    """What a network in evaluation computes, within rounding; its weights as they were when this was made."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        with torch.no_grad():
            self._down = [_pair(each) for each in network.down]
            ways = zip(network.up, network.design.widths[-2::-1], strict=True)
            self._up = [(*_apart(_pair(each)[0], fine), _pair(each)[1]) for each, fine in ways]
        self._leave = network.leave

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Magnitude [batch, 1, y, x] to scores [batch, class, y, x], as ``Segmenter``."""
        features = functional.pixel_unshuffle(seen(image), 2)
        features = features.contiguous(memory_format=torch.channels_last)
        kept = []
        for level, pair in enumerate(self._down):
            if level:
                features = functional.max_pool2d(features, 2)
            for weight, bias in pair:
                features = functional.conv2d(features, weight, bias, padding=1).relu_()
            kept.append(features)
        for (beside, below, (weight, bias)), fine in zip(self._up, kept[-2::-1], strict=True):
            wide = functional.conv2d(fine, *beside, padding=1)
            _add(wide, functional.conv2d(features, below, padding=1))
            features = functional.conv2d(wide.relu_(), weight, bias, padding=1).relu_()
        return functional.pixel_shuffle(self._leave(features), 2)


def _pair(block: nn.Module) -> tuple[Filter, Filter]:
    """A block's two convolutions, with the normalisation behind each."""
    layers = list(block.children())
    return _one(layers[0], layers[1]), _one(layers[3], layers[4])


def _one(convolution: nn.Module, normal: nn.Module) -> Filter:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normal, nn.BatchNorm2d)
    assert normal.running_mean is not None
    assert normal.running_var is not None
    scale = normal.weight / (normal.running_var + normal.eps).sqrt()
    weight = convolution.weight * scale[:, None, None, None]
    bias = normal.bias - normal.running_mean * scale
    return weight.detach().contiguous(memory_format=torch.channels_last), bias.detach()


def _apart(filters: Filter, fine: int) -> tuple[Filter, torch.Tensor]:
    """A convolution over fine channels and doubled coarse ones as one over each.

    The second gives the four places of a fine pixel as channels [place y, place x, given], [.., taken, 2, 2].
    """
    weight, bias = filters
    near = NEAR.to(weight)
    below = torch.einsum("aik,bjl,gtkl->abgtij", near, near, weight[:, fine:])
    last = torch.channels_last
    beside = weight[:, :fine].contiguous(memory_format=last)
    return (beside, bias), below.flatten(0, 2).contiguous(memory_format=last)


def _add(fine: torch.Tensor, places: torch.Tensor) -> None:
    """Add to ``fine`` [batch, given, 2 y, 2 x] what lies below it.

    ``places`` [batch, 4 given, y + 1, x + 1]: of each pair of coarse neighbours, zeros beyond the edges.
    """
    given, height, width = fine.shape[1], fine.shape[2] // 2, fine.shape[3] // 2
    for place, part in enumerate(torch.split(places, given, 1)):
        y, x = divmod(place, 2)
        fine[:, :, y::2, x::2] += part[:, :, y : y + height, x : x + width]
