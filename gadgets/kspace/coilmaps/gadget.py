"""The gadget that gives coil maps as soon as the lines are there that they are made of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.arrays import resize, to_kspace
from gadgets.data import CoilMaps, Kspace, Reference
from gadgets.gadget import Gadget
from gadgets.image.maps import expand, from_reference
from gadgets.kspace.coilmaps.centre import central
from gadgets.kspace.coilmaps.espirit import CROP, KERNEL, THRESHOLD, espirit
from gadgets.kspace.coilmaps.local import inati
from gadgets.scan import Scan

FEWEST = 24
"""Samples along the readout that calibrate, where there are as many."""


@dataclass(frozen=True, kw_only=True)
class EstimateCoilMaps(Gadget):
    """The sensitivity of each coil over each slice, before the first image that needs it.

    Made of the reference lines as soon as those are there. A k-space that comes before any reference lines of
    its slice, but has a gapless centre, is its own reference. All items pass.
    """

    method: Literal["espirit", "walsh", "inati"] = "espirit"
    """``espirit`` knows where there is no signal, and can give two maps; ``inati`` takes the object's phase
    into the maps; ``walsh`` is what Combine does by itself."""

    maps: Annotated[int, Field(ge=1, le=2)] = 1
    """Two for soft SENSE, where the object is larger than the field of view; with ``espirit`` only."""

    kernel: Annotated[int, Field(ge=2, le=12)] = KERNEL
    """Points of ESPIRiT's kernel along each axis."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = THRESHOLD
    """Singular values of the reference lines below this part of the greatest count as noise; after whitening,
    so do those which noise of unit variance can reach."""

    crop: Annotated[float, Field(ge=0, lt=1)] = CROP
    """ESPIRiT's maps are 0 where the eigenvalue is less."""

    def process(
        self, stream: Iterable[Kspace | Reference], scan: Scan
    ) -> Iterator[Kspace | Reference | CoilMaps]:
        """Hand on every item, and give the maps of a slice behind its Reference, or before its first k-space.

        Raises DataError for fewer reference lines than the kernel needs.
        """
        known: set[tuple[int, int]] = set()
        for item in stream:
            if isinstance(item, Reference):
                known.add((item.encoding, item.slice))
                yield item
                yield self.estimate(item)
                continue
            for reference in central(item):
                if (reference.encoding, reference.slice) not in known:
                    known.add((reference.encoding, reference.slice))
                    yield self.estimate(reference)
            yield item

    def estimate(self, reference: Reference) -> CoilMaps:
        """The maps of one slice."""
        name = f"{self.method} kernel={self.kernel} maps={self.maps}" if self.espirit else self.method
        return CoilMaps(
            data=self._data(reference),
            encoding=reference.encoding,
            slice=reference.slice,
            notes={**reference.notes, "ScansideCoilMaps": name},
        )

    @property
    def espirit(self) -> bool:
        """The method is ESPIRiT."""
        return self.method == "espirit"

    def _data(self, reference: Reference) -> torch.Tensor:
        if self.method == "walsh":
            return expand(from_reference(reference), reference.shape[1:]).unsqueeze(0)
        lines = to_kspace(reference.data) if reference.transformed else reference.data
        if self.method == "inati":
            return inati(lines, reference.first, reference.shape)
        return espirit(
            resize(lines, -1, samples(lines)),
            reference.shape,
            maps=self.maps,
            kernel=self.kernel,
            threshold=self.threshold,
            noise=float("ScansideNoise" in reference.notes),
            crop=self.crop,
        )


def samples(lines: torch.Tensor) -> int:
    """How many samples in the middle of the readout calibrate: as many as there are lines, or more."""
    planes, rows, points = lines.shape[1:]
    return min(points, max(FEWEST, planes, rows))
