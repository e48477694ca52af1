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
from gadgets.recon.grappa.calibration import calibrate
from gadgets.recon.grappa.kernel import Kernel, default_size
from gadgets.recon.grappa.lattice import Lattice, find_lattice, lattice
from gadgets.recon.grappa.noise import GrappaNoise
from gadgets.recon.grappa.steps import Steps, plain
from gadgets.recon.grappa.synthesis import coil_images
from gadgets.recon.sampling import Frame, extent, frames, reach, unit_noise
from gadgets.scan import Scan

WAITING = 64
"""How many images may wait for the reference lines of their slices."""

MOST, MOST_IN_ALL = 6, 16
"""The highest acceleration along one axis, and of both together."""

Key = tuple[int, int]
"""Encoding space and slice."""

Samples = Annotated[int, Field(ge=1)]
Lines = Annotated[int, Field(ge=2)]

APART = ("separate", "external", "interleaved")
"""How reference lines are acquired that are not part of the image."""

PATTERNS = 8
"""Patterns of lines, by slice, that are remembered (TGRAPPA has R of them)."""


@dataclass(frozen=True, kw_only=True)
class Grappa(Gadget):
    """Make the missing lines of an acquisition with R = 1 to 6 along k1, along k2 or both, to coil images.

    The kernel of a slice is calibrated as soon as its reference lines are there, and serves all images until
    other reference lines come, whichever lines each image has. With acceleration along both axes the lattice,
    CAIPIRINHA shifts included, is found in the lines of the images. The images are in SNR units: their noise
    sd is the g-factor, and less where acquired reference lines are put back (Griswold et al., MRM 47:1202,
    2002). Without acceleration the images are those of Fourier.
    """

    kernel: tuple[Samples, Lines] | tuple[Samples, Lines, Lines] | None = None
    """Samples used along the readout, acquired lines used along k1, and along k2 (2 when not given). When
    None 5 x 2 where an image keeps its reference lines, so that only lines far from the centre are made, else
    5 x 4 if there are enough reference lines, and 5 x 2 x 2 on lattices along both axes."""

    regularization: Annotated[float, Field(ge=0)] | None = None
    """Tikhonov factor, relative to the mean of the diagonal of A^H A. When None every reference sample counts
    as much as its noise and model error allow, and the factor follows from the known noise."""

    put_back: bool = True
    """Keep reference lines that are part of the image as they were acquired, instead of those made."""

    def process(self, stream: Iterable[Kspace | Reference], scan: Scan) -> Iterator[CoilImage | Reference]:
        """Give coil images, and hand on the reference lines to those who need coil maps.

        Raises DataError when a slice has no reference lines at the end, or too few of them, or more images
        than ``WAITING`` wait for theirs, or the lines form no lattice of the header's acceleration, or that
        is not supported.
        """
        taught: dict[Key, _Taught] = {}
        state = _State()
        waiting: list[Frame] = []
        for item in stream:
            if isinstance(item, Reference):
                yield item
                self._learn(item, scan, taught)
            else:
                waiting += frames(item)
            del item
            ready = [
                frame
                for frame in waiting
                if _key(frame) in taught or _acceleration(frame.source, scan) == (1, 1)
            ]
            waiting = [frame for frame in waiting if not any(frame is one for one in ready)]
            if len(waiting) > WAITING:
                break
            while ready:
                yield self._image(ready.pop(0), scan, taught, state)
        if waiting:
            encoding, number = _key(waiting[0])
            raise DataError(f"GRAPPA has no reference lines for slice {number} of encoding space {encoding}")

    def _learn(self, reference: Reference, scan: Scan, taught: dict[Key, "_Taught"]) -> None:
        acceleration = _acceleration(reference, scan)
        if acceleration == (1, 1):
            return
        known = _Taught(reference=reference, size=self.kernel, regularization=self.regularization)
        taught[reference.encoding, reference.slice] = known
        if reference.shape[0] == 1:
            embedded = scan.encoding(reference.encoding).calibration not in APART
            known.kernel(plain(acceleration), kept=self.put_back and embedded)

    def _image(self, frame: Frame, scan: Scan, taught: dict[Key, "_Taught"], state: "_State") -> CoilImage:
        encoding, source = scan.encoding(frame.source.encoding), frame.source
        if _acceleration(source, scan) == (1, 1):
            return coil_image(frame, encoding, state.scales)
        noise = state.noise(frame, taught[_key(frame)], scan, put_back=self.put_back)
        lines = noise.lattice
        data = frame.data if source.transformed else to_image(frame.data)
        over_x = state.over_x(noise.kernel, data.shape[-1])
        image = coil_images(data, over_x, noise.kernel, lines, noise.scale)
        return CoilImage(
            data=image,
            head=image_head(frame.head, (image.shape[-3], image.shape[-2], image.shape[-1]), encoding),
            noise=noise,
            encoding=source.encoding,
            notes={
                **source.notes,
                **reach(lines.kept | lines.made),
                "ScansideScale": noise.scale,
                "ScansideGrappa": self._note(noise.kernel),
            },
        )

    def _note(self, kernel: Kernel) -> str:
        steps, size = kernel.steps, "x".join(map(str, kernel.size))
        factor = f"R={steps.k1}" + (f"x{steps.k2}" if steps.k2 > 1 or steps.shift else "")
        shift = f" shift={steps.shift}" if steps.shift else ""
        return f"{factor}{shift} kernel={size} lambda={kernel.regularization:.3g}"


def _key(frame: Frame) -> Key:
    return frame.source.encoding, frame.slice


def _acceleration(item: Kspace | Reference, scan: Scan) -> tuple[int, int]:
    """Along k1 and along k2."""
    first, second = scan.encoding(item.encoding).acceleration
    if 1 <= first <= MOST and 1 <= second <= MOST and first * second <= MOST_IN_ALL:
        return first, second
    raise DataError(
        f"GRAPPA accelerates along each axis by 1 to {MOST}, in all by {MOST_IN_ALL} at most, but the header "
        f"says R = {first} x {second}"
    )


@dataclass(eq=False)
class _Taught:
    """The reference lines of a slice, and the kernels that they have taught, by lattice."""

    reference: Reference
    size: tuple[int, ...] | None
    regularization: float | None
    kernels: dict[tuple[Steps, bool], Kernel] = field(default_factory=dict)

    def kernel(self, steps: Steps, *, kept: bool) -> Kernel:
        """The kernel of a lattice, made when first asked for; ``kept``: for images that keep the lines."""
        key = steps, kept
        if key not in self.kernels:
            size = self.size or default_size(self.reference, steps, kept=kept)
            self.kernels[key] = calibrate(self.reference, steps, size, self.regularization, kept=kept)
        return self.kernels[key]


@dataclass(eq=False)
class _State:
    """What lasts from image to image: the scale of each encoding space, and what the last image needed."""

    scales: dict[int, float] = field(default_factory=dict)
    noises: dict[Key, list[tuple[torch.Tensor, _Taught, GrappaNoise]]] = field(default_factory=dict)
    expanded: tuple[Kernel, tuple[torch.Tensor, ...]] | None = None

    def over_x(self, kernel: Kernel, points: int) -> tuple[torch.Tensor, ...]:
        """The kernel over x; the last one is kept, since images of one slice often follow each other."""
        if self.expanded is None or self.expanded[0] is not kernel:
            self.expanded = kernel, kernel.over_x(points)
        return self.expanded[1]

    def noise(self, frame: Frame, taught: _Taught, scan: Scan, *, put_back: bool) -> GrappaNoise:
        """The noise of a frame: the same object for all frames of a slice that have the same lines."""
        known = self.noises.setdefault(_key(frame), [])
        for sampled, by, noise in known:
            if by is taught and torch.equal(sampled, frame.sampled):
                return noise
        encoding = scan.encoding(frame.source.encoding)
        place = find_lattice(frame.sampled, encoding.acceleration)
        off = (frame.sampled > 0) & ~place[0].mask((frame.sampled.shape[0], frame.sampled.shape[1]), place[1])
        kernel = taught.kernel(place[0], kept=put_back and bool(off.any()))
        lines = lattice(frame.sampled, place, kernel.groups, encoding, put_back=put_back)
        _check(lines, frame)
        scale = unit_noise(frame.sampled * lines.source, frame.readout) / lines.steps.acceleration
        scale = self.scales.setdefault(frame.source.encoding, scale)
        noise = GrappaNoise(
            kernel=kernel,
            lattice=lines,
            scale=scale,
            points=frame.data.shape[-1],
            readout=extent(frame.source.notes, "X"),
        )
        known[PATTERNS - 1 :] = []
        known.insert(0, (frame.sampled, taught, noise))
        return noise


def _check(lines: Lattice, frame: Frame) -> None:
    """Raise DataError for lines that form no lattice: what is made from them would be wrong."""
    acquired = int(lines.source.sum())
    if lines.lacking > acquired / 2:
        raise DataError(
            f"GRAPPA needs lines on a lattice, but of slice {frame.slice} only {acquired} lie on any one of "
            f"R = {lines.steps.acceleration}, and {lines.lacking} lines of it are missing between them"
        )
