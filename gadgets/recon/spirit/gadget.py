"""The SPIRiT gadget: it waits for reference lines, then gives coil images in SNR units."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.data import CoilImage, Kspace, Reference
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
from gadgets.recon.spirit.solve import Consistency
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Spirit(Gadget):
    """Coil images whose k-space agrees with the kernel everywhere, and with the acquired lines.

    For any pattern of Cartesian lines. All acquired lines stay as they are; the others, as far as the
    header's limits go, are made by conjugate gradients (Lustig and Pauly, MRM 64:457, 2010). With ``weight``
    above 0 they are made anew to have few wavelet coefficients, common to all coils (L1-SPIRiT): then the
    noise is that of the linear image, and the meta say so. It is an estimate by replicas, and takes its time.
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
            yield from (self._image(frame, kernels[_key(frame)], scan, state) for frame in ready)
        if waiting:
            encoding, number = _key(waiting[0])
            raise DataError(f"SPIRiT has no reference lines for slice {number} of encoding space {encoding}")

    def learn(self, reference: Reference) -> Kernel:
        """The kernel of one slice."""
        lines = to_kspace(reference.data) if reference.transformed else reference.data
        return calibrate(resize(lines, -1, samples(lines)), self.kernel, self.regularization)

    def _image(self, frame: Frame, kernel: Kernel, scan: Scan, state: "_State") -> CoilImage:
        encoding, source = scan.encoding(frame.source.encoding), frame.source
        scale = state.scales.setdefault(source.encoding, _unit(frame))
        noise = state.noise(frame, kernel, centred(frame.sampled, encoding), self)
        way = noise.consistency
        lines = frame.data if source.transformed else to_image(frame.data)
        images = to_image(lines, way.axes)
        images = way.solve(images, self.iterations, self.tolerance)
        notes = {**source.notes, **reach(frame.sampled), "ScansideScale": scale}
        notes["ScansideSpirit"] = f"kernel={self.kernel} weight={self.weight:g}"
        if self.weight:
            level = self.weight * math.sqrt(float(frame.sampled.float().mean()))
            wavelet = Wavelet(name=self.wavelet, levels=self.levels)
            images = way.shrink(images, wavelet, level / way.bound, self.iterations)
            notes["ScansideNoiseOf"] = "linear"
        depth, height, width = images.shape[1:]
        head = image_head(frame.head, (depth, height, width), encoding)
        return CoilImage(data=images * scale, head=head, noise=noise, encoding=source.encoding, notes=notes)


def _key(frame: Frame) -> Key:
    return frame.source.encoding, frame.slice


def _unit(frame: Frame) -> float:
    """The scale after which the noise sd is the g-factor: sqrt(sum_l n_l / N_total), n_l the averages."""
    return math.sqrt(float(frame.sampled.float().mean()) / frame.readout)


@dataclass(eq=False)
class _State:
    """What lasts from image to image: the scale of each encoding space, and what the last image needed."""

    scales: dict[int, float] = field(default_factory=dict)
    last: tuple[Kernel, ReplicaNoise] | None = None

    def noise(self, frame: Frame, kernel: Kernel, over: Window, spirit: Spirit) -> ReplicaNoise:
        """What has to be solved, and its noise; the last frame's while kernel and lines are the same."""
        if self.last and self.last[0] is kernel and torch.equal(self.last[1].sampled, frame.sampled):
            return self.last[1]
        missing = frame.sampled == 0
        for axis, span in enumerate((over.k2, over.k1)):
            outside = torch.ones(span.size, dtype=torch.bool)
            outside[span.kept.start : span.kept.stop] = False
            missing = missing & ~(outside[:, None] if axis == 0 else outside)
        _, depth, height, width = frame.data.shape
        made = ReplicaNoise(
            consistency=Consistency(field=kernel, shape=(depth, height, width), missing=missing),
            sampled=frame.sampled,
            scale=self.scales[frame.source.encoding],
            iterations=spirit.iterations,
            tolerance=spirit.tolerance,
            readout=frame.readout,
        )
        self.last = kernel, made
        return made
