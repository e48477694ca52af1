"""Where a labelled left ventricle ends at its base: what lies beyond is the atrium, which looks like it.

A slice through the valves' plane has the part of the ventricle that lies below: of its cavity and of its
muscle, both. An atrium is wide and thinly walled, or goes on above slices whose wall was found to be open.
"""

import numpy as np
from numpy.typing import NDArray

from models.cardiac.ventricle import CAVITY

WIDER, THINNER = 1.25, 0.75
"""Cavity and muscle over those of the slice below: wider and thinner than so, both, and it is an atrium."""

FEW, REST = 2, 4
"""At most so many slices lie beyond a base, and at least so many below: else what parts them is no base."""


def below(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The labels of a left ventricle [slice, y, x] without what lies beyond its base.

    The base is at the end with the larger cavity. Slices are taken to be neighbours: of fewer than five
    with a ventricle, as of a first pass, nothing is left out.
    """
    areas, cavity = (labels > 0).sum((1, 2)), (labels == CAVITY).sum((1, 2))
    there = np.flatnonzero(areas)
    if len(there) <= REST:
        return labels
    upwards = 1 if cavity[there[-1]] > cavity[there[0]] else -1
    ends = [int(n) for n in there[::upwards][-min(FEW, len(there) - REST) :]]
    for index in ends:
        before = index - upwards
        wider = cavity[index] > WIDER * cavity[before]
        thinner = areas[index] - cavity[index] < THINNER * (areas[before] - cavity[before])
        if not areas[before] or (wider and thinner):
            kept = labels.copy()
            kept[slice(index, None) if upwards > 0 else slice(index + 1)] = 0
            return kept
    return labels
