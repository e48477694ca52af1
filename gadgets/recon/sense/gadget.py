"""The SENSE gadget: coil maps and k-space in, one image in SNR units out, and what its noise is."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import to_image
from gadgets.data import CoilMaps, Image, ImageNoise, Kspace, Reference
from gadgets.gadget import Gadget
from gadgets.image.follow import over
from gadgets.image.noise import PixelNoise
from gadgets.recon.sampling import Frame, extent
from gadgets.recon.sense.answer import answer, combine, sd
from gadgets.recon.sense.noise import SenseNoise, spread
from gadgets.recon.sense.pairing import Key, pairs
from gadgets.recon.sense.plan import Plan, plan
from gadgets.recon.sense.window import Window, window
from gadgets.scan import Encoding, Scan

PATTERNS = 8
"""Patterns of lines, by slice, that are remembered (TGRAPPA has R of them)."""


@dataclass(frozen=True, kw_only=True)
class Sense(Gadget):
    """The image that explains the acquired lines of all coils best, through the coil maps.

    Where the lines form a lattice (any R along k1 and k2, moved or sheared), pixels unfold exactly. Any other
    lines of a plane, embedded reference lines among them, are solved by the inverse of every column, or by
    conjugate gradients, whichever counts fewer operations for the images to come. Images are in SNR units;
    where the maps are 0, so is the image. With two maps (soft SENSE) the image is the root sum of squares of
    theirs. (Pruessmann et al., MRM 42:952, 1999.)
    """

    regularization: Annotated[float, Field(ge=0)] = 0.0
    """lambda of |A x - y|^2 + lambda |x|^2, in units of the noise: 2 / (mean square SNR) is the best guess of
    someone who knows no more of the image than that. A^H A has eigenvalues of at most 1 per average."""

    gfactor: bool = False
    """Send the noise sd of the image, which is the g-factor, whenever it changes; asks for an exact way."""

    snr: bool = False
    """Send each image over its noise sd, too."""

    def process(self, stream: Iterable[Kspace | CoilMaps | Reference], scan: Scan) -> Iterator[Image]:
        """Give an image for each frame, and behind it its companions.

        Raises DataError when a slice has no coil maps at the end, or more images than can wait do so.
        """
        state = State()
        for frame, maps in pairs(stream):
            yield from self.images(frame, maps, scan.encoding(frame.source.encoding), state)

    def images(self, frame: Frame, maps: CoilMaps, encoding: Encoding, state: "State") -> Iterator[Image]:
        """The image of one frame and its companions."""
        way, fresh = state.way(frame, maps, encoding, self)
        lines = frame.data if frame.source.transformed else to_image(frame.data)
        scale = state.scales.setdefault(frame.source.encoding, unit(frame, way.window))
        found = way.window.image(way.plan.image(way.window.cut(lines, -2)))
        image = combine(found) * scale
        notes = {**maps.notes, "ScansideScale": scale, "ScansideSense": way.plan.name}
        yield answer(frame, image, "image", encoding, notes)
        if self.gfactor or self.snr:
            noise = way.noise(found, scale)
            if self.gfactor and (fresh or len(found) > 1):
                yield answer(frame, noise.sd, "gfactor", encoding, notes, noise)
            if self.snr:
                yield answer(frame, over(image, noise.sd), "snr", encoding, notes, noise)


def unit(frame: Frame, region: Window) -> float:
    """The scale after which the noise sd is the g-factor: sqrt(sum_l n_l / N_total), n_l the averages."""
    acquired = float(region.cut(frame.sampled).sum())
    return math.sqrt(acquired / (region.k2.points * region.k1.points) * region.growth / frame.readout)


@dataclass(eq=False)
class _Way:
    """What one pattern of lines and one set of maps need, kept for all their frames."""

    maps: CoilMaps
    sampled: torch.Tensor
    window: Window
    plan: Plan
    readout: tuple[float, float]
    """From where to where k0 was sampled."""

    single: SenseNoise | None = None
    covariance: torch.Tensor | None = None

    def noise(self, found: torch.Tensor, scale: float) -> ImageNoise:
        """The noise of images [map, z, y, x] when they are combined and scaled.

        Of several maps later steps know the sd alone, and take it as uncorrelated between pixels.
        """
        if len(found) == 1:
            if self.single is None:
                self.single = SenseNoise(
                    correlated=self.plan.correlated,
                    window=self.window,
                    scale=scale,
                    columns=found.shape[-1],
                    readout=self.readout,
                )
            return self.single
        if self.covariance is None:
            sets = range(len(found))
            depth, height, width = found.shape[1:]
            rows = [
                torch.stack(
                    [
                        spread(self.plan.correlated(one, other), (depth, height, width), self.window)
                        for other in sets
                    ]
                )
                for one in sets
            ]
            self.covariance = torch.stack(rows) * ((self.readout[1] - self.readout[0]) / 2)
        return PixelNoise(sd=sd(self.covariance, found) * scale)


@dataclass(eq=False)
class State:
    """What lasts from image to image."""

    scales: dict[int, float] = field(default_factory=dict)
    ways: dict[Key, list[_Way]] = field(default_factory=dict)

    def way(self, frame: Frame, maps: CoilMaps, encoding: Encoding, sense: Sense) -> tuple[_Way, bool]:
        """The way of a frame, and whether it is a new one."""
        known = self.ways.setdefault((maps.encoding, maps.slice), [])
        for one in known:
            if one.maps is maps and torch.equal(one.sampled, frame.sampled):
                return one, False
        region = window(frame.sampled, encoding)
        chosen = plan(
            region.maps(maps.data),
            region.cut(frame.sampled),
            sense.regularization,
            frames=expected(encoding),
            exact=sense.gfactor or sense.snr,
            steps=(max(1, encoding.acceleration[1]), max(1, encoding.acceleration[0])),
        )
        made = _Way(
            maps=maps,
            sampled=frame.sampled,
            window=region,
            plan=chosen,
            readout=extent(frame.source.notes, "X"),
        )
        known[PATTERNS - 1 :] = []
        known.insert(0, made)
        return made, True


def expected(encoding: Encoding) -> int:
    """How many images of a slice share one pattern of lines, as the header promises."""
    counts = [encoding.limit(name) for name in ("repetition", "phase", "set", "contrast")]
    images = math.prod(limit.size for limit in counts if limit is not None)
    patterns = math.prod(encoding.acceleration) if encoding.calibration == "interleaved" else 1
    return max(1, images // patterns)
