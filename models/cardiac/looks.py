"""Ways of looking at an image with a network: turned, mirrored, on coarser pixels, in another contrast."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.nets.segmenter import MULTIPLE, PIXEL

Network = Callable[[torch.Tensor], torch.Tensor]
"""Images [batch, frame, y, x] to scores [batch, class, y, x]; sides are multiples of ``MULTIPLE``."""

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
    frames: int = 1
    """Images that it is shown of a slice: the one to label and, of three, those beside it."""


def chances(
    reader: Reader, images: torch.Tensor, pixel: float, look: Look, beside: torch.Tensor | None = None
) -> torch.Tensor:
    """Chances [image, class, y, x] of images [image, y, x] with pixels of ``pixel`` [mm].

    ``beside`` [2, y, x]: the same slice at end-diastole and end-systole, for a network that is shown them;
    None: there is nothing but each image.
    """
    turns, mirror, coarser, power = look
    shape = (images.shape[-2:], images.shape[:-3:-1])[turns % 2]
    height, width = (max(round(side * pixel / reader.pixel / coarser), MULTIPLE) for side in shape)
    beside = None if reader.frames == 1 else beside
    top = None if beside is None else beside.float().amax()

    def fitted(part: torch.Tensor) -> torch.Tensor:
        seen = torch.rot90(powered(part, power, top), turns, (-2, -1))[:, None].float()
        seen = seen.flip(-1) if mirror else seen
        seen = torch.nn.functional.interpolate(seen, (height, width), mode="bilinear", antialias=True)
        return torch.nn.functional.pad(seen, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")

    each, pair = fitted(images), None if beside is None else fitted(beside)
    at_once = max(BATCH // each[0].numel(), 1)
    parts = [reader.scores(framed(part, pair, reader.frames)) for part in torch.split(each, at_once)]
    scores = torch.cat(parts)[..., :height, :width]
    found = torch.nn.functional.interpolate(scores, tuple(shape), mode="bilinear").softmax(1)
    found = found.flip(-1) if mirror else found
    return torch.rot90(found, -turns, (-2, -1)).contiguous()


def framed(images: torch.Tensor, beside: torch.Tensor | None, frames: int) -> torch.Tensor:
    """Images [image, 1, y, x] with the pair ``beside`` each, [2, 1, y, x], or else themselves in its place:
    [image, frame, y, x]."""
    if beside is None:
        return images.expand(-1, frames, -1, -1).contiguous()
    return torch.cat([images, beside.transpose(0, 1).expand(len(images), -1, -1, -1)], 1)


def powered(images: torch.Tensor, power: float, top: torch.Tensor | None = None) -> torch.Tensor:
    """Magnitudes [..., y, x] of which ``top`` stays, the others over it to a power; None: each image's own.

    What is seen beside each other has one ``top``: by its own, a single bright pixel would dim an image.
    """
    if power == 1:
        return images
    least = torch.finfo(torch.float32).tiny
    top = images.float().amax((-2, -1), keepdim=True) if top is None else top
    return top.clamp_min(least) * (images / top.clamp_min(least)).clamp_min(0) ** power


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
