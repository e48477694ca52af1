"""The GRAPPA gadget: it waits for reference lines, then gives coil images in SNR units."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import to_image
from gadgets.data import CoilImage, Kspace, Reference
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.recon.fourier import coil_image
from gadgets.recon.geometry import image_head
from gadgets.recon.grappa.kernel import Kernel, calibrate
from gadgets.recon.grappa.lattice import lattice
from gadgets.recon.grappa.noise import GrappaNoise
from gadgets.recon.grappa.synthesis import fill
from gadgets.recon.sampling import Frame, extent, frames, reach, unit_noise
from gadgets.scan import Scan

WAITING = 64
"""How many images may wait for the reference lines of their slices."""

MOST = 6
"""The highest acceleration."""

Key = tuple[int, int]
"""Encoding space and slice."""

PATTERNS = 8
"""Patterns of lines, by slice, that are remembered (TGRAPPA has R of them)."""


@dataclass(frozen=True, kw_only=True)
class Grappa(Gadget):
    """Make the missing lines of an acquisition with R = 1 to 6 along k1, and transform to coil images.

    The kernel of a slice is calibrated as soon as its reference lines are there, and serves all images until
    other reference lines come, whichever lines each image has. The images are in SNR units: their noise sd is
    the g-factor, and less where acquired reference lines are put back (Griswold et al., MRM 47:1202, 2002).
    Without acceleration the images are those of Fourier.
    """

    kernel: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=2)]] = (5, 4)
    """Samples used along the readout, and acquired lines used."""

    regularization: Annotated[float, Field(ge=0)] = 5e-4
    """Tikhonov factor, relative to the mean of the diagonal of A^H A."""

    put_back: bool = True
    """Keep reference lines that are part of the image as they were acquired, instead of those made."""

    def process(self, stream: Iterable[Kspace | Reference], scan: Scan) -> Iterator[CoilImage | Reference]:
        """Give coil images, and hand on the reference lines to those who need coil maps.

        Raises DataError when a slice has no reference lines at the end, or too few of them, or more images
        than ``WAITING`` wait for theirs, or the header says an acceleration that is not supported.
        """
        kernels: dict[Key, Kernel] = {}
        state = _State()
        waiting: list[Frame] = []
        for item in stream:
            if isinstance(item, Reference):
                yield item
                self._learn(item, scan, kernels)
            else:
                waiting += frames(item)
            ready = [
                frame for frame in waiting if _key(frame) in kernels or _acceleration(frame.source, scan) == 1
            ]
            waiting = [frame for frame in waiting if not any(frame is one for one in ready)]
            if len(waiting) > WAITING:
                break
            yield from (self._image(frame, scan, kernels, state) for frame in ready)
        if waiting:
            encoding, number = _key(waiting[0])
            raise DataError(f"GRAPPA has no reference lines for slice {number} of encoding space {encoding}")

    def _learn(self, reference: Reference, scan: Scan, kernels: dict[Key, Kernel]) -> None:
        key, acceleration = (reference.encoding, reference.slice), _acceleration(reference, scan)
        if acceleration > 1:
            kernels[key] = calibrate(reference, acceleration, self.kernel, self.regularization)

    def _image(self, frame: Frame, scan: Scan, kernels: dict[Key, Kernel], state: "_State") -> CoilImage:
        encoding, source = scan.encoding(frame.source.encoding), frame.source
        if _acceleration(source, scan) == 1:
            return coil_image(frame, encoding, state.scales)
        noise = state.noise(frame, kernels[_key(frame)], scan, put_back=self.put_back)
        lines = noise.lattice
        data = frame.data if source.transformed else to_image(frame.data)
        full = fill(data, state.over_x(noise.kernel, data.shape[-1]), noise.kernel, lines)
        image = to_image(full, (-1,) if len(full) == 1 else (-4, -1), noise.scale)
        image = image.permute(2, 0, 3, 1)
        return CoilImage(
            data=image,
            head=image_head(frame.head, (image.shape[-3], image.shape[-2], image.shape[-1]), encoding),
            noise=noise,
            encoding=source.encoding,
            notes={
                **source.notes,
                **reach(lines.kept | lines.made),
                "ScansideScale": noise.scale,
                "ScansideGrappa": f"R={lines.acceleration} kernel={self.kernel[0]}x{self.kernel[1]}",
            },
        )


def _key(frame: Frame) -> Key:
    return frame.source.encoding, frame.slice


def _acceleration(item: Kspace | Reference, scan: Scan) -> int:
    first, second = scan.encoding(item.encoding).acceleration
    if second > 1 or not 1 <= first <= MOST:
        raise DataError(
            f"GRAPPA accelerates along k1 by 1 to {MOST}, but the header says R = {first} x {second}"
        )
    return first


@dataclass(eq=False)
class _State:
    """What lasts from image to image: the scale of each encoding space, and what the last image needed."""

    scales: dict[int, float] = field(default_factory=dict)
    noises: dict[Key, list[tuple[torch.Tensor, GrappaNoise]]] = field(default_factory=dict)
    expanded: tuple[Kernel, torch.Tensor] | None = None

    def over_x(self, kernel: Kernel, points: int) -> torch.Tensor:
        """The kernel over x; the last one is kept, since images of one slice often follow each other."""
        if self.expanded is None or self.expanded[0] is not kernel:
            self.expanded = kernel, kernel.over_x(points)
        return self.expanded[1]

    def noise(self, frame: Frame, kernel: Kernel, scan: Scan, *, put_back: bool) -> GrappaNoise:
        """The noise of a frame: the same object for all frames of a slice that have the same lines."""
        known = self.noises.setdefault(_key(frame), [])
        for sampled, noise in known:
            if noise.kernel is kernel and torch.equal(sampled, frame.sampled):
                return noise
        encoding = scan.encoding(frame.source.encoding)
        lines = lattice(frame.sampled, kernel.acceleration, encoding, put_back=put_back)
        scale = unit_noise(frame.sampled * lines.source, frame.readout) / kernel.acceleration
        scale = self.scales.setdefault(frame.source.encoding, scale)
        noise = GrappaNoise(
            kernel=kernel,
            lattice=lines,
            scale=scale,
            points=frame.data.shape[-1],
            readout=extent(frame.source.notes, "X"),
        )
        known[PATTERNS - 1 :] = []
        known.insert(0, (frame.sampled, noise))
        return noise
