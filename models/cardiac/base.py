"""Where the left ventricle ends at its base, over the whole beat: what lies beyond is the atrium, which looks
like it; and what a reader has to know of slices.

The base goes towards the apex as the ventricle contracts, so a slice that shows the ventricle at end-diastole
may show the atrium at end-systole: wide, and with a wall that has become thinner while every ventricle's
becomes thicker. End-diastole itself is taken as it was found.
"""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.ventricle import CAVITY, MUSCLE
from models.cardiac.wall import thickness

WIDER = 1.25
"""Cavity over that of the slice below, from which it may be an atrium's."""

THINNER = 0.75
"""Thickness of its wall over that of the slice below, and over its own at end-diastole, up to which it is."""

FEW, REST = 2, 4
"""At most so many slices lie beyond a base, and at least so many below: else what parts them is no base."""

PART = 0.05
"""Of the end-diastolic volume: what a slice has at least whose coming and going is said."""

AROUND = 10
"""One phase in so many, before and after, has a say in whether a slice is left out."""


def beyond(labels: NDArray[np.uint8], apex_first: bool) -> NDArray[np.bool_]:
    """What lies beyond the base, [phase, slice], of a left ventricle's labels [phase, slice, y, x].

    A slice is the atrium's if its cavity is wider than that below, and its wall, where it has one, thinner
    than that below and than its own at end-diastole; or if slices without a ventricle part it from the
    others, and it has none at end-diastole. It is so if most neighbouring phases agree. Slices are taken to
    be neighbours: of fewer than five with a ventricle, as of a first pass, nothing is left out.
    """
    ordered = labels[:, ::-1] if apex_first else labels
    cavity = (ordered == CAVITY).sum((2, 3))
    diastole = int(cavity.sum(1).argmax())
    found = np.stack([_moment(each, ordered[diastole], cavity[diastole]) for each in ordered])
    found = _agreed(found)
    return found[:, ::-1] if apex_first else found


def _moment(
    labels: NDArray[np.uint8], diastole: NDArray[np.uint8], known: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The same of one moment, [slice], of labels [slice, y, x] from base to apex; ``known``: the cavity of
    each slice at end-diastole."""
    out = np.zeros(len(labels), np.bool_)
    there, cavity = np.flatnonzero((labels > 0).any((1, 2))), (labels == CAVITY).sum((1, 2))
    for index in map(int, there[: min(FEW, len(there) - REST)][::-1] if len(there) > REST else ()):
        if cavity[index + 1] or (labels[index + 1] > 0).any():
            atrium = cavity[index] > WIDER * cavity[index + 1] and _thinner(
                labels[index], labels[index + 1], diastole[index]
            )
        else:
            atrium = not known[: index + 1].any()
        if atrium:
            out[: index + 1] = True
            break
    return out


def _thinner(wall: NDArray[np.uint8], below: NDArray[np.uint8], diastole: NDArray[np.uint8]) -> bool:
    thick, before = _thick(wall), _thick(diastole)
    return thick < THINNER * _thick(below) and (not before or thick < THINNER * before)


def _thick(labels: NDArray[np.uint8]) -> float:
    """Of the wall [pixel], mean over the directions in which there is one; 0 without a ring."""
    if not (labels == CAVITY).any() or not (labels == MUSCLE).any():
        return 0.0
    rays = thickness(labels == CAVITY, labels == MUSCLE)
    return float(rays[rays > 0].mean()) if (rays > 0).any() else 0.0


def _agreed(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What most of the phases around each say, of a closed cycle [phase, slice]."""
    reach = len(found) // AROUND
    votes = sum(np.roll(found, step, 0).astype(int) for step in range(-reach, reach + 1))
    return np.asarray(2 * votes > 2 * reach + 1)


def said(left_out: NDArray[np.bool_], cavity: NDArray[np.int64]) -> tuple[str, ...]:
    """What a reader has to know of slices that were left out [phase, slice], and of the cavities [phase,
    slice] they had."""
    lost = np.where(left_out, cavity, 0)
    slices = np.flatnonzero((lost > 0).any(0))
    if not len(slices):
        return ()
    phases = int((lost > 0).any(1).sum())
    share = float(lost.sum(1).max() / max(cavity.sum(1).max(), 1))
    names = ", ".join(str(each + 1) for each in slices)
    which = f"slices {names} are" if len(slices) > 1 else f"slice {names} is"
    return (
        f"{which} taken for the atrium at {phases} of {len(cavity)} phases: up to {share:.0%} of the"
        " end-diastolic volume left out",
    )


def wavering(cavity: NDArray[np.int64]) -> tuple[str, ...]:
    """What a reader has to know of slices that are in the smallest volume or not, other than in most phases
    around it: of cavities [phase, slice]. The smallest of many volumes is one that lost a slice by a whim."""
    absent, volumes = cavity == 0, cavity.sum(1)
    systole = int(volumes.argmin())
    beside = [systole - 1, systole, (systole + 1) % len(cavity)]
    share = cavity[beside].max(0) / max(volumes.max(), 1)
    odd = (_agreed(absent) != absent)[systole] & (share >= PART)
    return tuple(
        f"slice {index + 1} has {'no' if absent[systole, index] else 'a'} left ventricle at end-systole,"
        f" other than in the phases around it: {share[index]:.0%} of the end-diastolic volume"
        for index in map(int, np.flatnonzero(odd))
    )


def holes(cavity: NDArray[np.int64]) -> tuple[str, ...]:
    """What a reader has to know of slices without a cavity between slices that have one, in the largest and
    the smallest volume, of cavities [phase, slice]: a ventricle closes there, or it was not seen."""
    volumes, found = cavity.sum(1), []
    for name, phase in (("end-diastole", int(volumes.argmax())), ("end-systole", int(volumes.argmin()))):
        there = np.flatnonzero(cavity[phase])
        inside = np.arange(there[0], there[-1]) if len(there) else there
        known = np.interp(inside, there, cavity[phase][there]) if len(there) else inside
        for index, area in zip(inside, known, strict=True):
            if not cavity[phase, index]:
                found.append(
                    f"slice {index + 1} has no left cavity at {name} between slices that have one: as much as"
                    f" theirs would be {area / volumes.max():.0%} of the end-diastolic volume"
                )
    return tuple(found)
