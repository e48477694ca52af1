"""One slice of a stack through the heartbeat: all that can be seen of it before the other slices are there.

End-diastole is looked at as a whole, for nobody knows yet where the heart is. The other phases are looked at
around what beats, with a margin that the network needs: most of a chest is none of it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.cardiac.gain import evened
from models.cardiac.looks import Reader, chances, labels
from models.cardiac.regions import Mask, largest, regions
from models.cardiac.tidy import CAVITY, MUSCLE, PHASES, Labels, steady
from models.nets.segmenter import MULTIPLE

MARGIN = 16.0
"""Around what was found [mm]."""

BEAT = 0.06
"""Mean change of a labelled region in the beat, over the image's mean, from which it may be the heart: still
organs have half of it (breathing, flow, noise), hearts two to five times as much."""

SUDDEN = 1.5
"""How much more of change than both phases beside it a moment of no beat has, where there are many: in
simulated stacks of 25 phases end-systole has up to 1.14 of its neighbours', a phase with a ghost that has
more than end-systole over two."""

Box = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """What was seen of a slice."""

    series: torch.Tensor
    """Magnitudes [phase, y, x]."""

    pixel: float
    """[mm]."""

    first: torch.Tensor
    """Chances of each class at phase 0, the mean of all looks, [class, y, x]."""

    shared: NDArray[np.int64]
    """Twice the pixels of the left ventricle at phase 0 that a look and the mean of all looks have in common,
    and those of both, [2, look]. Of the looks that ``chances`` has at phase 0."""

    mean: torch.Tensor
    """Of the phases, [y, x]."""

    variance: torch.Tensor
    """Of the phases, [y, x]."""

    near: Box | None = None
    """Where the other phases were looked at; None: nowhere."""

    chances: torch.Tensor | None = None
    """[phase, class, y, x] within ``near``; of one look, at phase 0 of all."""

    @property
    def labels(self) -> Labels:
        """Of all phases, steadied, [phase, y, x] within ``near``."""
        assert self.chances is not None
        return labels(torch.from_numpy(steady(self.chances.numpy())))


def section(reader: Reader, series: torch.Tensor, pixel: float) -> Section:
    """Look at a slice [phase, y, x] with pixels of ``pixel`` [mm], in the other phases around what beats.

    Where that was not the heart, as only the other slices show, ``around`` looks elsewhere.
    """
    series = evened(series)
    beside = extremes(series)
    looks = torch.stack([chances(reader, series[:1], pixel, look, beside)[0] for look in reader.looks])
    first = looks.mean(0)
    mean, variance = moments(series)
    shared = np.array(_shared(looks, first)).T
    found = Section(series=series, pixel=pixel, first=first, shared=shared, mean=mean, variance=variance)
    near = surroundings(_beating(labels(first, 0), mean, variance), reader, pixel)
    return found if near is None else around(reader, found, near)


def around(reader: Reader, found: Section, near: Box) -> Section:
    """The same slice, its other phases looked at within ``near``."""
    first, series = found.first[None, :, near[0], near[1]], found.series[:, near[0], near[1]]
    beside = extremes(series)
    rest = [chances(reader, series[1:], found.pixel, reader.looks[0], beside)] if len(series) > 1 else []
    return replace(found, near=near, chances=torch.cat([first, *rest]))


def again(reader: Reader, found: Section, phase: int) -> Section:
    """The same slice, a phase looked at in all ways within ``near``: another one, or phase 0 anew."""
    assert found.near is not None
    assert found.chances is not None
    series = found.series[:, found.near[0], found.near[1]]
    looks, beside = reader.looks[1:] if phase else reader.looks, extremes(series)
    more = [chances(reader, series[phase : phase + 1], found.pixel, look, beside)[0] for look in looks]
    changed, shared = found.chances.clone(), found.shared
    changed[phase] = torch.stack([changed[phase], *more] if phase else more).mean(0)
    if not phase:
        shared = np.array(_shared(torch.stack(more), changed[0])).T
    return replace(found, chances=changed, shared=shared)


def extremes(series: torch.Tensor) -> torch.Tensor | None:
    """End-diastole and end-systole of a slice [phase, y, x] as far as its images tell, [2, y, x]: phase 0 and
    what differs most from it.

    None where there is nothing beside phase 0, or that has pixels that are not finite; no other such phase is
    chosen, for all phases are seen beside it; nor is one that is unlike both beside it: a breath, an early
    beat.
    """
    whole = series.isfinite().all(-1).all(-1)
    if not whole[0] or whole.sum() < 2:
        return None
    away = (series.float() - series[0].float()).nan_to_num(0, 0, 0).square().sum((1, 2))
    at = whole.nonzero().flatten()
    away = away[at]
    if len(at) >= PHASES:
        away = torch.where(away > SUDDEN * torch.maximum(away.roll(1), away.roll(-1)), 0.0, away)
    return series[[0, int(at[int(away[1:].argmax()) + 1])]]


def moments(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance over the phases, the first axis; what is not finite counts as 0.

    (``var_mean`` takes four times as long along an outer axis.)
    """
    finite = images.float().nan_to_num(0, 0, 0)
    mean = finite.mean(0)
    return mean, (finite - mean).square_().mean(0)


def changing(mean: torch.Tensor, variance: torch.Tensor) -> NDArray[np.float32]:
    """How much each pixel changes in the beat: the standard deviation over the phases without that of noise,
    which is the median one of bright pixels, for most of a chest keeps still."""
    noise = variance[mean >= mean.mean()].median()
    change: NDArray[np.float32] = (variance - noise).clamp_min(0).sqrt().numpy()
    return change


def _beating(found: Labels, mean: torch.Tensor, variance: torch.Tensor) -> Mask:
    """The labelled regions [y, x] that beat, as far as one slice can tell."""
    names = regions(found > 0)
    sizes = np.bincount(names.ravel())
    change = np.bincount(names.ravel(), changing(mean, variance).ravel()) / sizes.clip(1)
    kept: Mask = (change >= BEAT * float(mean.mean()))[names] & (names > 0)
    return kept


def _shared(looks: torch.Tensor, mean: torch.Tensor) -> list[tuple[int, int]]:
    hearts = [_heart(each) for each in (*looks, mean)]
    return [(2 * int((each & hearts[-1]).sum()), int(each.sum() + hearts[-1].sum())) for each in hearts[:-1]]


def _heart(chances: torch.Tensor) -> Mask:
    """The largest region of the left ventricle."""
    return largest(np.isin(labels(chances, 0), (CAVITY, MUSCLE)))


def surroundings(mask: Mask, reader: Reader, pixel: float) -> Box | None:
    """Rows and columns around a mask [y, x], as many as the network takes; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    step = MULTIPLE * reader.pixel / pixel
    y, x = (_stretch(each, size, step, pixel) for each, size in zip((rows, columns), mask.shape, strict=True))
    return y, x


def _stretch(found: NDArray[np.int64], size: int, step: float, pixel: float) -> slice:
    low, high = int(found[0]), int(found[-1]) + 1
    wanted = high - low + 2 * MARGIN / pixel
    length = min(int(math.ceil(wanted / step) * step), size)
    begin = min(max((low + high - length) // 2, 0), size - length)
    return slice(begin, begin + length)


def covers(one: Box | None, other: Box) -> bool:
    """Whether one box holds another."""
    return one is not None and all(
        a.start <= b.start and b.stop <= a.stop for a, b in zip(one, other, strict=True)
    )
