"""The iterative SENSE gadget: sparse images, and beside them the linear image whose noise is known."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilMaps, Image, Kspace, Reference
from gadgets.gadget import Gadget
from gadgets.recon.sampling import Frame, extent
from gadgets.recon.sense.answer import answer, combine
from gadgets.recon.sense.encoding import Encoding
from gadgets.recon.sense.gadget import Sense, State, unit
from gadgets.recon.sense.pairing import pairs
from gadgets.recon.sense.window import Window, centred
from gadgets.recon.sparse.fista import ITERATIONS, Regularizer, sparse
from gadgets.recon.sparse.wavelet import LEVELS, WAVELET
from gadgets.scan import Encoding as Space
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class IterativeSense(Gadget):
    """The image that explains the lines of all coils, and has few wavelet coefficients or little variation.

    For any Cartesian pattern of lines; an asymmetric echo is part of the model. In SNR units, but not linear:
    its noise is no map. What can be said is the noise of the linear image of the same lines, which are sent
    beside it on demand.
    """

    regularizer: Regularizer = "wavelet"
    """L1 norm of wavelet coefficients, total variation, or the square of the image."""

    weight: Annotated[float, Field(ge=0)] = 1.0
    """The threshold in units of the noise's sd in the gradient; with ``l2`` lambda, as in Sense."""

    wavelet: str = WAVELET
    """An orthogonal one, by PyWavelets' name."""

    levels: Annotated[int, Field(ge=1, le=6)] = LEVELS
    iterations: Annotated[int, Field(ge=1, le=500)] = ITERATIONS

    linear: bool = False
    """Send the linear image of the same lines, too: SENSE with lambda = ``ridge``."""

    gfactor: bool = False
    """Send the noise sd of that linear image, whenever it changes; its meta say so."""

    ridge: Annotated[float, Field(ge=0)] = 0.01
    """lambda of the linear image."""

    def process(self, stream: Iterable[Kspace | CoilMaps | Reference], scan: Scan) -> Iterator[Image]:
        """Give an image for each frame, and behind it its companions.

        Raises DataError when a slice has no coil maps at the end, or more images than can wait do so.
        """
        state = _State()
        for frame, maps in pairs(stream):
            space = scan.encoding(frame.source.encoding)
            yield self._image(frame, maps, space, state)
            if self.linear or self.gfactor:
                yield from self._companions(frame, maps, space, state)

    def _image(self, frame: Frame, maps: CoilMaps, space: Space, state: "_State") -> Image:
        over, encoding = state.prepared(frame, maps, space)
        scale = state.scales.setdefault(frame.source.encoding, unit(frame, over))
        found = sparse(
            encoding,
            over.cut(_lines(frame, encoding), -2),
            weight=self.weight,
            regularizer=self.regularizer,
            wavelet=self.wavelet,
            levels=self.levels,
            iterations=self.iterations,
        )
        image = combine(over.image(found)) * scale
        notes = {
            **maps.notes,
            "ScansideScale": scale,
            "ScansideSense": f"{self.regularizer} weight={self.weight:g} iterations={self.iterations}",
        }
        return answer(frame, image, "image", space, notes)

    def _companions(self, frame: Frame, maps: CoilMaps, space: Space, state: "_State") -> Iterator[Image]:
        sense = Sense(regularization=self.ridge, gfactor=self.gfactor)
        for image in sense.images(frame, maps, space, state.linear):
            if image.role == "gfactor":
                yield replace(image, meta={**image.meta, "ScansideNoiseOf": "linear"})
            elif self.linear:
                yield replace(image, role="linear")


def _lines(frame: Frame, encoding: Encoding) -> torch.Tensor:
    """The lines, over x unless the encoding couples the columns."""
    coupled = -1 in encoding.axes
    if frame.source.transformed:
        return to_kspace(frame.data) if coupled else frame.data
    return frame.data if coupled else to_image(frame.data)


def _weights(frame: Frame) -> torch.Tensor:
    """Inverse noise variances, float32 [k2, k1], or with k0 where the echo is asymmetric."""
    weights = frame.sampled.float()
    first, last = extent(frame.source.notes, "X")
    if (first, last) == (-1.0, 1.0):
        return weights
    size = frame.data.shape[-1]
    place = (torch.arange(size) - size // 2) / (size / 2)
    echo = (place > first - 0.5 / size) & (place < last - 0.5 / size)
    return weights[..., None] * echo


@dataclass(eq=False)
class _State:
    """What lasts from image to image."""

    scales: dict[int, float] = field(default_factory=dict)
    linear: State = field(default_factory=State)
    last: tuple[CoilMaps, torch.Tensor, Window, Encoding] | None = None

    def prepared(self, frame: Frame, maps: CoilMaps, space: Space) -> tuple[Window, Encoding]:
        """The window and the encoding; those of the last frame serve while maps and lines are the same."""
        if self.last and self.last[0] is maps and torch.equal(self.last[1], frame.sampled):
            return self.last[2], self.last[3]
        over = centred(frame.sampled, space)
        weights = _weights(frame)
        cut = over.cut(weights, -2) if weights.dim() == 3 else over.cut(weights)
        encoding = Encoding(maps=over.maps(maps.data), weights=cut)
        self.last = maps, frame.sampled, over, encoding
        return over, encoding
