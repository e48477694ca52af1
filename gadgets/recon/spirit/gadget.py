"""The SPIRiT gadget: it waits for reference lines, then gives coil images in SNR units."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.data import CoilImage, Kspace, Notes, Reference
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.kspace.coilmaps.espirit import Field as Kernel
from gadgets.kspace.coilmaps.gadget import samples
from gadgets.recon.geometry import image_head
from gadgets.recon.sampling import Frame, frames, reach
from gadgets.recon.sense.pairing import WAITING, Key
from gadgets.recon.sense.window import Window, centred
from gadgets.recon.sparse.wavelet import LEVELS, WAVELET, Wavelet
from gadgets.recon.spirit.kernel import calibrate
from gadgets.recon.spirit.noise import ReplicaNoise
from gadgets.recon.spirit.shrink import Sparsity, sparse
from gadgets.recon.spirit.solve import Agreement, Consistency
from gadgets.scan import Scan

PATTERNS = 16
"""Sets of lines whose equations are kept: those of an interleaved series come again."""


@dataclass(frozen=True, kw_only=True)
class Spirit(Gadget):
    """Coil images whose k-space agrees with the kernel everywhere, and with the acquired lines.

    For any pattern of Cartesian lines. All acquired lines stay as they are; the others, as far as the
    header's limits go, are made by conjugate gradients (Lustig and Pauly, MRM 64:457, 2010). With ``weight``
    above 0 they are made anew to have few wavelet coefficients, common to all coils (L1-SPIRiT): then the
    noise is that of the linear image, and the meta say so. It is an estimate by replicas, and takes its time.
    With ``frames`` above 1 successive frames of a slice are made sparse together, in space and time, and
    leave together.
    """

    kernel: Annotated[int, Field(ge=3, le=11)] = 5
    """Points of the kernel along each axis; odd."""

    regularization: Annotated[float, Field(ge=0)] = 0.01
    """Tikhonov factor of the calibration, relative to the mean of the diagonal of A^H A."""

    iterations: Annotated[int, Field(ge=1, le=500)] = 60
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Conjugate gradients end after so many, or when the residual is this part of what it was."""

    weight: Annotated[float, Field(ge=0)] = 0.0
    """Threshold of the wavelet coefficients in units of the noise of a coil; 0: linear."""

    wavelet: str = WAVELET
    levels: Annotated[int, Field(ge=1, le=6)] = LEVELS

    frames: Annotated[int, Field(ge=1, le=64)] = 1
    """So many successive frames have few coefficients together, when ``weight`` is above 0."""

    temporal: Annotated[float, Field(ge=0)] = 5.0
    """The threshold of what changes from one of them to the next, relative to that of space."""

    def __post_init__(self) -> None:
        """Raise ValueError for an even kernel, which has no middle."""
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, expected an odd number")

    def process(self, stream: Iterable[Kspace | Reference], scan: Scan) -> Iterator[CoilImage | Reference]:
        """Give coil images, and hand on the reference lines to those who need coil maps.

        Raises DataError when a slice has no reference lines at the end, or too few of them, or more images
        than can wait do so.
        """
        kernels: dict[Key, Kernel] = {}
        state = _State()
        waiting: list[Frame] = []
        for item in stream:
            if isinstance(item, Reference):
                yield item
                kernels[item.encoding, item.slice] = self.learn(item)
            else:
                waiting += frames(item)
            ready = [frame for frame in waiting if _key(frame) in kernels]
            waiting = [frame for frame in waiting if _key(frame) not in kernels]
            if len(waiting) > WAITING:
                break
            for frame in ready:
                yield from self._take(frame, kernels[_key(frame)], scan, state)
        for group in state.groups.values():
            yield from self._leave(group, scan)
        if waiting:
            encoding, number = _key(waiting[0])
            raise DataError(f"SPIRiT has no reference lines for slice {number} of encoding space {encoding}")

    def learn(self, reference: Reference) -> Kernel:
        """The kernel of one slice."""
        lines = to_kspace(reference.data) if reference.transformed else reference.data
        return calibrate(resize(lines, -1, samples(lines)), self.kernel, self.regularization)

    def _take(self, frame: Frame, kernel: Kernel, scan: Scan, state: "_State") -> Iterator[CoilImage]:
        """Make a frame consistent; it leaves with its group, whose frames are of one shape and one slice."""
        noise = state.noise(frame, kernel, centred(frame.sampled, scan.encoding(frame.source.encoding)), self)
        lines = frame.data if frame.source.transformed else to_image(frame.data)
        way = noise.consistency
        images = way.solve(to_image(lines, way.axes), self.iterations, self.tolerance)
        group = state.groups.setdefault(frame.series, [])
        group.append(_Linear(frame=frame, noise=noise, images=images))
        if len(group) == (self.frames if self.weight else 1):
            yield from self._leave(state.groups.pop(frame.series), scan)

    def _leave(self, group: list["_Linear"], scan: Scan) -> Iterator[CoilImage]:
        images = torch.stack([each.images for each in group], 1)
        how = f"kernel={self.kernel} weight={self.weight:g}"
        if len(group) > 1:
            how += f" frames={len(group)} temporal={self.temporal:g}"
        notes: dict[str, str] = {"ScansideSpirit": how}
        if self.weight:
            share = sum(float(each.frame.sampled.float().mean()) for each in group) / len(group)
            sparsity = Sparsity(
                wavelet=Wavelet(name=self.wavelet, levels=self.levels), temporal=self.temporal
            )
            ways = [each.noise.consistency for each in group]
            images = sparse(ways, images, sparsity, self.weight * math.sqrt(share), self.iterations)
            notes["ScansideNoiseOf"] = "linear"
        for each, found in zip(group, images.unbind(1), strict=True):
            yield each.answer(found, scan, notes)


def _key(frame: Frame) -> Key:
    return frame.source.encoding, frame.slice


def _unit(frame: Frame) -> float:
    """The scale after which the noise sd is the g-factor: sqrt(sum_l n_l / N_total), n_l the averages."""
    return math.sqrt(float(frame.sampled.float().mean()) / frame.readout)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Linear:
    """A frame and its linear solution, [coil, z, y, x]."""

    frame: Frame
    noise: ReplicaNoise
    images: torch.Tensor

    def answer(self, images: torch.Tensor, scan: Scan, notes: Notes) -> CoilImage:
        """What is given for the frame: coil images in SNR units."""
        source, scale = self.frame.source, self.noise.scale
        encoding = scan.encoding(source.encoding)
        depth, height, width = images.shape[1:]
        return CoilImage(
            data=images * scale,
            head=image_head(self.frame.head, (depth, height, width), encoding),
            noise=self.noise,
            encoding=source.encoding,
            notes={**source.notes, **reach(self.frame.sampled), "ScansideScale": scale, **notes},
        )


@dataclass(eq=False)
class _State:
    """What lasts from image to image: the scale of each encoding space, and what images have needed."""

    scales: dict[int, float] = field(default_factory=dict)
    groups: dict[tuple[object, ...], list[_Linear]] = field(default_factory=dict)
    agreements: dict[Key, Agreement] = field(default_factory=dict)
    """Of each slice's newest kernel."""

    known: dict[Key, list[ReplicaNoise]] = field(default_factory=dict)
    """Of the patterns that came with it, the newest last."""

    def noise(self, frame: Frame, kernel: Kernel, over: Window, spirit: Spirit) -> ReplicaNoise:
        """What has to be solved, and its noise; that of an earlier frame with the same kernel and lines."""
        _, depth, height, width = frame.data.shape
        shape, key = (depth, height, width), _key(frame)
        agreement = self.agreements.get(key)
        if agreement is None or agreement.field is not kernel or agreement.shape != shape:
            agreement = self.agreements[key] = Agreement(field=kernel, shape=shape)
            self.known[key] = []
        for each in self.known[key]:
            if torch.equal(each.sampled, frame.sampled):
                return each
        missing = frame.sampled == 0
        for axis, span in enumerate((over.k2, over.k1)):
            outside = torch.ones(span.size, dtype=torch.bool)
            outside[span.kept.start : span.kept.stop] = False
            missing = missing & ~(outside[:, None] if axis == 0 else outside)
        made = ReplicaNoise(
            consistency=Consistency(agreement=agreement, missing=missing),
            sampled=frame.sampled,
            scale=self.scales.setdefault(frame.source.encoding, _unit(frame)),
            iterations=spirit.iterations,
            tolerance=spirit.tolerance,
            readout=frame.readout,
        )
        self.known[key] = [*self.known[key][1 - PATTERNS :], made]
        return made
