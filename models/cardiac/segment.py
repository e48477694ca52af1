"""A stack of images to labels: each slice is looked at by itself, the heart is found among all.

``segment`` takes a whole stack. Slices that come one after the other are given to ``section`` as they come,
and ``joined`` makes the stack of them: the same labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.cardiac.base import beyond, holes, said, wavering
from models.cardiac.hollow import without_hollows
from models.cardiac.looks import LOOKS, Look, Network, Reader, labels
from models.cardiac.regions import Mask
from models.cardiac.section import (
    Box,
    Section,
    again,
    around,
    changing,
    covers,
    moments,
    section,
    surroundings,
)
from models.cardiac.tidy import CAVITY, MUSCLE, Labels, left_tidy, right_tidy, tidy
from models.cardiac.ventricle import apex_first

__all__ = ["LOOKS", "Look", "Network", "Reader", "Segmented", "beating", "joined", "section", "segment"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmented:
    """A stack's labels."""

    labels: Labels
    """uint8 [phase, slice, y, x]."""

    disagreement: float
    """1 - Dice of the left ventricle between a look and the mean of all, mean over the looks, at phase 0."""

    uncertainty: NDArray[np.float64]
    """The same of each slice, [slice]."""

    doubts: tuple[str, ...] = ()
    """Slices that were left out or come and go, for the reader of the report."""


def segment(reader: Reader, images: torch.Tensor, pixel: float) -> Segmented:
    """Labels of magnitude images [phase, slice, y, x] with pixels of ``pixel`` [mm].

    Slices from base to apex or the other way round. The heart is found at phase 0, in looks at the whole
    images: it is what beats. The other phases are looked at around it, and what lies where it was goes on;
    slices in which it was not found at phase 0 too, for a whole image may hide an apex; the largest and the
    smallest cavity in as many ways as phase 0, for their difference is what is measured.
    """
    return joined(reader, [section(reader, images[:, n], pixel) for n in range(images.shape[1])])


def joined(reader: Reader, slices: Sequence[Section]) -> Segmented:
    """Labels of the slices of one stack, in order; of equal phases and sizes."""
    change = changing(
        *(torch.stack([getattr(each, name) for each in slices]) for name in ("mean", "variance"))
    )
    heart = tidy(labels(torch.stack([each.first for each in slices])), change)
    boxes = _boxes(reader, slices, heart)
    near = {
        n: each if covers(each.near, box) else around(reader, each, box)
        for n, (each, box) in enumerate(zip(slices, boxes, strict=True))
        if box is not None
    }
    near |= {n: again(reader, each, 0) for n, each in near.items() if not heart[n].any()}
    worth = np.isin(heart, (CAVITY, MUSCLE)).astype(np.float32)
    whole, doubts = _measured(reader, near, worth, apex_first(heart), len(slices[0].series))
    labelled = whole[0].any((1, 2))
    shared = np.stack(
        [(near.get(n, each) if labelled[n] else each).shared for n, each in enumerate(slices)], 1
    )
    apart = float(_apart(shared.sum(1)))
    return Segmented(labels=whole, disagreement=apart, uncertainty=_apart(shared), doubts=doubts)


def _beat(found: Labels, worth: NDArray[np.float32], upwards: bool) -> tuple[Labels, tuple[str, ...]]:
    """Labels [phase, slice, y, x] made whole, each moment by itself and the base over all of them, and what
    its reader has to know; ``upwards``: from apex to base, as phase 0 shows it."""
    left = np.stack([left_tidy(moment, worth, upwards) for moment in found])
    atria, cavity = beyond(left, upwards), (left == CAVITY).sum((2, 3))
    left[atria] = 0
    left = without_hollows(left)
    kept = np.where(atria, 0, cavity)
    doubts = (*said(atria, cavity), *wavering(kept), *holes(kept))
    whole = np.stack([right_tidy(*pair, upwards) for pair in zip(found, left, strict=True)])
    return whole, doubts


def beating(images: torch.Tensor) -> NDArray[np.float32]:
    """How much each pixel changes in the beat, [slice, y, x], in the unit of images [phase, slice, y, x]."""
    return changing(*moments(images))


def _boxes(reader: Reader, slices: Sequence[Section], heart: Labels) -> list[Box | None]:
    """Where each slice is looked at: around the heart at phase 0, or, without one, around that of all slices.

    Phase 0 need not be end-diastole: a late trigger finds the base away, and it comes back.
    """
    anywhere: Mask = np.logical_or.reduce(heart > 0)
    whole = surroundings(anywhere, reader, slices[0].pixel)
    boxes = (surroundings(at > 0, reader, each.pixel) for at, each in zip(heart, slices, strict=True))
    return [box or whole for box in boxes]


def _around(boxes: Sequence[Box]) -> Box:
    """What holds all boxes."""
    rows, columns = (
        slice(min(each.start for each in sides), max(each.stop for each in sides))
        for sides in zip(*boxes, strict=True)
    )
    return rows, columns


def _place(n: int, each: Section) -> tuple[slice, int, slice, slice]:
    assert each.near is not None
    return (slice(None), n, *each.near)


def _measured(
    reader: Reader, near: dict[int, Section], worth: NDArray[np.float32], upwards: bool, phases: int
) -> tuple[Labels, tuple[str, ...]]:
    """Labels [phase, slice, y, x] and doubts (``_beat``) of slices of which the phases of the largest and the
    smallest cavity are looked at again where the heart is, as they are measured, with their neighbours.

    Which phases these are is seen from labels as the network gives them, for making them whole takes time,
    and then from whole ones, for these are measured. ``near`` becomes what was found then.
    """
    found = np.zeros((phases, *worth.shape), np.uint8)
    if not near:
        return found, ()
    for n, each in near.items():
        found[_place(n, each)] = each.labels
    cut = (..., *_around([each.near for each in near.values() if each.near]))
    looked, whole, doubts = {0}, np.zeros_like(found), tuple[str, ...]()
    while True:
        while todo := _extremes(found, worth) - looked:
            _again(reader, near, found, todo)
            looked |= todo
        whole[cut], doubts = _beat(found[cut], worth[cut], upwards)
        if not (todo := _extremes(whole) - looked):
            return whole, doubts
        _again(reader, near, found, todo)
        looked |= todo


def _again(reader: Reader, near: dict[int, Section], found: Labels, phases: set[int]) -> None:
    """Look at phases in all ways; ``near`` and ``found`` become what is seen then."""
    for n in near:
        for phase in sorted(phases):
            near[n] = again(reader, near[n], phase)
        found[_place(n, near[n])] = near[n].labels


def _extremes(found: Labels, worth: NDArray[np.float32] | None = None) -> set[int]:
    """The phases of the largest and of the smallest cavity, each pixel [slice, y, x] by its worth."""
    sizes = [
        float((moment == CAVITY).sum() if worth is None else worth[moment == CAVITY].sum())
        for moment in found
    ]
    return {int(np.argmax(sizes)), int(np.argmin(sizes))}


def _apart(shared: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 - Dice, the mean over the looks, of numbers [twice common or total, ..., look]."""
    common, total = shared.astype(float)
    alike: NDArray[np.float64] = np.divide(common, total, out=np.ones_like(common), where=total > 0)
    return np.asarray(1 - alike.mean(-1))
