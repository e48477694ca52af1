"""Reconstruction by the Fourier transform alone."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from gadgets.arrays import root_sum_of_squares, to_image
from gadgets.data import CoilImage, Kspace, Reference
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.recon.geometry import image_head
from gadgets.recon.sampling import Frame, extent, frames, reach, sampled_part, unit_noise, variance
from gadgets.recon.view import PLAIN, View
from gadgets.scan import Encoding, Scan


@dataclass(frozen=True, kw_only=True, eq=False)
class WhiteNoise:
    """Noise that is equal in all coils and pixels, and uncorrelated between coils."""

    level: float
    """Standard deviation of the real as of the imaginary part."""

    lines: torch.Tensor | None = None
    """float64, [k2, k1]: the noise variance of each line; None: all are alike."""

    readout: tuple[float, float] = (-1.0, 1.0)
    """From where to where k0 was sampled, in halves of the readout from its centre."""

    def sd(self, weights: torch.Tensor, view: View = PLAIN) -> torch.Tensor:
        """Noise sd of sum_c weights[c] image[c]; weights [coil, z, y, x], the answer [z, y, x]."""
        return self.level * self._colour(view) * root_sum_of_squares(weights)

    def _colour(self, view: View) -> float:
        """By how much the weights of a view change the sd: the root of their mean square over the noise."""
        if view.weights is None:
            return 1.0
        power = view.weights.square()
        lines = torch.ones(power.shape[:2], dtype=torch.float64) if self.lines is None else self.lines
        samples = sampled_part(power.shape[2], *self.readout).to(torch.float64)
        noise = lines[..., None] * samples
        return math.sqrt(float((power * noise).sum()) / float(noise.sum()))

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of every image."""
        return (
            isinstance(other, WhiteNoise)
            and (self.level, self.readout) == (other.level, other.readout)
            and _same(self.lines, other.lines)
        )

    __hash__ = None  # type: ignore[assignment]


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)


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
            encoding, waiting = scan.encoding(item.encoding), list(frames(item))
            del item
            while waiting:  # k-space is the largest thing in a chain: let go of it with its last image
                _check(waiting[0], encoding)
                yield coil_image(waiting.pop(0), encoding, scales)


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
        noise=WhiteNoise(
            level=scale / unit_noise(frame.sampled, frame.readout),
            lines=variance(frame.sampled),
            readout=extent(source.notes, "X"),
        ),
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
