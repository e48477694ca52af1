"""Reconstruction by the Fourier transform alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from gadgets.arrays import root_sum_of_squares, to_image
from gadgets.data import CoilImage, Kspace, Reference
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.recon.geometry import image_head
from gadgets.recon.sampling import Frame, frames, reach, unit_noise
from gadgets.scan import Encoding, Scan


@dataclass(frozen=True, kw_only=True)
class WhiteNoise:
    """Noise that is equal in all coils and pixels, and uncorrelated between coils."""

    level: float
    """Standard deviation of the real as of the imaginary part."""

    def sd(self, weights: torch.Tensor) -> torch.Tensor:
        """Noise sd of sum_c weights[c] image[c]; weights [coil, z, y, x], the answer [z, y, x]."""
        return self.level * root_sum_of_squares(weights)


@dataclass(frozen=True, kw_only=True)
class Fourier(Gadget):
    """Transform k-space to coil images in SNR units: unitary transform times sqrt(N_total / N_sampled).

    Lines that were not acquired count as zero; lines averaged n times carry noise of variance 1 / n. The
    scale of an encoding space is that of its first image.
    """

    def process(self, stream: Iterable[Kspace | Reference], scan: Scan) -> Iterator[CoilImage | Reference]:
        """Give the coil images of each k-space; reference lines go on to those who need coil maps.

        Raises DataError when lines are missing between the outermost ones and the header says acceleration.
        """
        scales: dict[int, float] = {}
        for item in stream:
            if isinstance(item, Reference):
                yield item
                continue
            encoding = scan.encoding(item.encoding)
            for frame in frames(item):
                _check(frame, encoding)
                yield coil_image(frame, encoding, scales)


def coil_image(frame: Frame, encoding: Encoding, scales: dict[int, float]) -> CoilImage:
    """The coil images of one frame by the Fourier transform; ``scales`` keeps that of each encoding space."""
    source = frame.source
    scale = scales.setdefault(source.encoding, unit_noise(frame.sampled, frame.readout))
    axes: tuple[int, ...] = (-2,) if source.transformed else (-2, -1)
    axes = (-3, *axes) if frame.data.shape[-3] > 1 else axes
    data = to_image(frame.data, axes, scale)
    return CoilImage(
        data=data,
        head=image_head(frame.head, (data.shape[-3], data.shape[-2], data.shape[-1]), encoding),
        noise=WhiteNoise(level=scale / unit_noise(frame.sampled, frame.readout)),
        encoding=source.encoding,
        notes={**source.notes, **reach(frame.sampled), "ScansideScale": scale},
    )


def _check(frame: Frame, encoding: Encoding) -> None:
    if max(encoding.acceleration) == 1:
        return
    lines = torch.nonzero(frame.sampled.any(0))[:, 0]
    missing = int(lines[-1] - lines[0]) + 1 - len(lines)
    if missing:
        raise DataError(
            f"Fourier needs every line, but {missing} are missing at R = {encoding.acceleration[0]}; "
            "use Grappa"
        )
