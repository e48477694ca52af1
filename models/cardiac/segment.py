"""A stack of images to labels: the network on the heart's surroundings, looked at several ways."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.cardiac.regions import largest
from models.cardiac.tidy import CAVITY, MUSCLE, Labels, steady, tidy
from models.nets.segmenter import PIXEL

Network = Callable[[torch.Tensor], torch.Tensor]
"""Images [batch, 1, y, x] to scores [batch, class, y, x]; sides are multiples of 16."""

MULTIPLE = 16
MARGIN = 24
"""Pixels around what was found, in the second look."""

BATCH = 16

COARSE = 1.25

LOOKS: tuple[tuple[int, bool, float], ...] = (
    (0, False, 1.0),
    (1, False, COARSE),
    (0, True, COARSE),
    (3, True, 1.0),
)
"""Quarter turns, mirroring, and how much coarser the pixels are than what the network is used to.

A large heart fills more than the windows that a network has seen; on coarser pixels, to which its training's
range of sizes reaches, it is of usual size.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A network, and what it is used to."""

    scores: Network
    pixel: float = PIXEL
    """Side of the pixels that it is shown [mm]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmented:
    """A stack's labels."""

    labels: Labels
    """uint8 [phase, slice, y, x]."""

    chances: NDArray[np.float32]
    """Of each class at end-diastole (phase 0), [slice, class, y, x]."""

    disagreement: float
    """1 - Dice of the left ventricle between a look and the mean of all, mean over the looks, at phase 0."""

    uncertainty: NDArray[np.float64]
    """The same of each slice, [slice]."""


def segment(reader: Reader, images: torch.Tensor, pixel: float) -> Segmented:
    """Labels of magnitude images [phase, slice, y, x] with pixels of ``pixel`` [mm].

    Slices from base to apex or the other way round. The heart is found at phase 0, in looks at the whole
    images: it is what beats. The other phases are looked at around it, and what lies where it was goes on;
    the largest and the smallest cavity in as many ways as phase 0, for their difference is what is measured.
    """
    network, scale = reader.scores, pixel / reader.pixel
    looks = [_look(network, images[0], scale, look) for look in LOOKS]
    first = torch.stack(looks).mean(0)
    heart = tidy(_labels(first), beating(images))
    box = surroundings(heart, images.shape[-2:])
    disagreement, each = _differ(looks, first)
    labels = np.zeros(images.shape, np.uint8)
    if box is not None:
        near = images[..., box[0], box[1]]
        rest = [_look(network, moment, scale, LOOKS[0]) for moment in near[1:]]
        chances = torch.stack([first[:, :, box[0], box[1]], *rest])
        worth = np.isin(heart[:, box[0], box[1]], (CAVITY, MUSCLE)).astype(np.float32)
        looked = {0}
        while todo := set(_extremes(chances, worth)) - looked:
            for phase in todo:
                more = [_look(network, near[phase], scale, look) for look in LOOKS[1:]]
                chances[phase] = torch.stack([chances[phase], *more]).mean(0)
                looked.add(phase)
        for phase, mean in enumerate(steady(chances.numpy())):
            labels[phase, :, box[0], box[1]] = tidy(mean.argmax(1).astype(np.uint8), worth)
    return Segmented(labels=labels, chances=first.numpy(), disagreement=disagreement, uncertainty=each)


def _extremes(chances: torch.Tensor, where: NDArray[np.float32]) -> tuple[int, int]:
    """The phases of the largest and the smallest cavity, of chances [phase, slice, class, y, x], where the
    heart is: as they are measured, with their neighbours."""
    found = _likeliest(torch.from_numpy(steady(chances.numpy())), 2) == CAVITY
    sizes = (found * torch.from_numpy(where)).sum((1, 2, 3))
    return int(sizes.argmax()), int(sizes.argmin())


def beating(images: torch.Tensor) -> NDArray[np.float32]:
    """How much each pixel changes in the beat, [slice, y, x], in the unit of images [phase, slice, y, x].

    The standard deviation over the phases without that of noise, which is the median one of bright pixels:
    most of a chest keeps still.
    """
    finite = images.float().nan_to_num(0, 0, 0)
    mean, sd = finite.mean(0), finite.std(0, correction=0)
    noise = sd[mean >= mean.mean()].median()
    change: NDArray[np.float32] = (sd.square() - noise.square()).clamp_min(0).sqrt().numpy()
    return change


def _look(
    network: Network, images: torch.Tensor, scale: float, look: tuple[int, bool, float]
) -> torch.Tensor:
    """Chances [slice, class, y, x] of images [slice, y, x], seen turned, mirrored and on other pixels."""
    turns, mirror, coarser = look
    seen = torch.rot90(images, turns, (-2, -1))
    seen = seen.flip(-1) if mirror else seen
    shape = int(seen.shape[-2]), int(seen.shape[-1])
    height, width = (max(round(side * scale / coarser), MULTIPLE) for side in shape)
    fitted = torch.nn.functional.interpolate(
        seen[:, None].float(), (height, width), mode="bilinear", antialias=True
    )
    filled = torch.nn.functional.pad(fitted, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    scores = torch.cat([network(part) for part in torch.split(filled, BATCH)])[..., :height, :width]
    chances = torch.nn.functional.interpolate(scores, shape, mode="bilinear").softmax(1)
    chances = chances.flip(-1) if mirror else chances
    return torch.rot90(chances, -turns, (-2, -1)).contiguous()


def _labels(chances: torch.Tensor) -> Labels:
    found: Labels = _likeliest(chances, 1).numpy()
    return found


def _likeliest(chances: torch.Tensor, axis: int) -> torch.Tensor:
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


def surroundings(labels: Labels, shape: torch.Size) -> tuple[slice, slice] | None:
    """Rows and columns around all that is labelled [slice, y, x]; None where nothing is."""
    rows, columns = (np.flatnonzero((labels > 0).any((0, axis))) for axis in (2, 1))
    if not len(rows):
        return None
    return _stretch(rows, int(shape[0])), _stretch(columns, int(shape[1]))


def _stretch(found: NDArray[np.int64], size: int) -> slice:
    low, high = int(found[0]) - MARGIN, int(found[-1]) + 1 + MARGIN
    length = min(-(-(high - low) // MULTIPLE) * MULTIPLE, size)
    begin = min(max((low + high - length) // 2, 0), size - length)
    return slice(begin, begin + length)


def _differ(looks: list[torch.Tensor], mean: torch.Tensor) -> tuple[float, NDArray[np.float64]]:
    heart = [_heart(each) for each in (*looks, mean)]
    whole = [1 - _dice(each, heart[-1]) for each in heart[:-1]]
    slices = [
        float(np.mean([1 - _dice(each[n], heart[-1][n]) for each in heart[:-1]])) for n in range(len(mean))
    ]
    return float(np.mean(whole)), np.array(slices)


def _heart(chances: torch.Tensor) -> NDArray[np.bool_]:
    """The largest region of the left ventricle in each slice."""
    labels = _labels(chances)
    return np.stack([largest(each) for each in np.isin(labels, (CAVITY, MUSCLE))])


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
