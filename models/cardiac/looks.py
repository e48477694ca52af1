"""Ways of looking at an image with a network: turned, mirrored, on coarser pixels, in another contrast."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.nets.segmenter import MULTIPLE, PIXEL

Network = Callable[[torch.Tensor], torch.Tensor]
"""Images [batch, 1, y, x] to scores [batch, class, y, x]; sides are multiples of ``MULTIPLE``."""

Look = tuple[int, bool, float, float]
"""Quarter turns, mirroring, how much coarser the pixels are than what the network is used to, and the power
of the signal, over the largest one, that is shown instead of it."""

COARSE = 1.25

DIM = 0.75
"""Power by which what is dark beside bright fat, near the coils, is seen; training goes from 0.7 to 1.4."""

LOOKS: tuple[Look, ...] = (
    (0, False, 1.0, 1.0),
    (1, False, COARSE, DIM),
    (0, True, COARSE, 1.0),
    (3, True, 1.0, DIM),
)
"""A large heart fills more than the windows that a network has seen; on coarser pixels, to which the range of
sizes of its training reaches, it is of usual size.
"""

EVEN: tuple[Look, ...] = tuple((*look[:3], 1.0) for look in LOOKS)
"""The same looks at the signal as it is: for first passes, whose hearts are the brightest part."""

BATCH = 1 << 17
"""Pixels that a network is given at once: what it makes of them stays in the processor's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A network, and what it is used to."""

    scores: Network
    pixel: float = PIXEL
    """Side of the pixels that it is shown [mm]."""

    looks: tuple[Look, ...] = LOOKS


def chances(reader: Reader, images: torch.Tensor, pixel: float, look: Look) -> torch.Tensor:
    """Chances [image, class, y, x] of images [image, y, x] with pixels of ``pixel`` [mm]."""
    turns, mirror, coarser, power = look
    seen = torch.rot90(powered(images, power), turns, (-2, -1))
    seen = seen.flip(-1) if mirror else seen
    shape = int(seen.shape[-2]), int(seen.shape[-1])
    height, width = (max(round(side * pixel / reader.pixel / coarser), MULTIPLE) for side in shape)
    fitted = torch.nn.functional.interpolate(
        seen[:, None].float(), (height, width), mode="bilinear", antialias=True
    )
    filled = torch.nn.functional.pad(fitted, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    at_once = max(BATCH // filled[0].numel(), 1)
    scores = torch.cat([reader.scores(part) for part in torch.split(filled, at_once)])[..., :height, :width]
    found = torch.nn.functional.interpolate(scores, shape, mode="bilinear").softmax(1)
    found = found.flip(-1) if mirror else found
    return torch.rot90(found, -turns, (-2, -1)).contiguous()


def powered(images: torch.Tensor, power: float) -> torch.Tensor:
    """Magnitudes [..., y, x] of which each image's largest stays, the others over it to a power."""
    if power == 1:
        return images
    top = images.float().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return top * (images / top).clamp_min(0) ** power


def likeliest(chances: torch.Tensor, axis: int) -> torch.Tensor:
    """The class of the highest chance, uint8 without the axis of classes; the first of equal ones.

    Class by class: ``argmax`` along an axis that is not the innermost took a tenth of a stack's time.
    """
    best = chances.select(axis, 0)
    found = torch.zeros(best.shape, dtype=torch.uint8)
    for label in range(1, chances.shape[axis]):
        other = chances.select(axis, label)
        found[other > best] = label
        best = torch.maximum(best, other)
    return found


def labels(chances: torch.Tensor, axis: int = 1) -> NDArray[np.uint8]:
    """The same as an array."""
    found: NDArray[np.uint8] = likeliest(chances, axis).numpy()
    return found
