"""The parts of complex images, each as a series of its own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.head import ImageType
from gadgets.image.history import noted
from gadgets.image.label import SERIES
from gadgets.scan import Scan

Part = tuple[int, ImageType, Callable[[torch.Tensor], torch.Tensor]]

PARTS: dict[str, Part] = {
    "magnitude": (0, ImageType.MAGNITUDE, torch.abs),
    "real": (1000, ImageType.REAL, torch.real),
    "imaginary": (2000, ImageType.IMAG, torch.imag),
    "phase": (3000, ImageType.PHASE, torch.angle),
}
"""What is added to the number of the series (Gadgetron's numbers), the kind, and how the part is taken."""


@dataclass(frozen=True, kw_only=True)
class Extract(Gadget):
    """Give the parts of complex images that are asked for, each as a series of its own.

    Magnitudes keep the series of the image, real parts are sent in that plus 1000, imaginary parts plus 2000,
    phases [rad], from -pi to pi, plus 3000. SNR maps give their magnitude; what is real already passes.
    """

    magnitude: bool = True
    """|x|."""

    real: bool = False
    """Re x: in units of the noise, as the image."""

    imaginary: bool = False
    """Im x."""

    phase: bool = False
    """arg x [rad]."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give the parts of each image, the magnitude first."""
        asked = [name for name in PARTS if getattr(self, name)]
        for item in stream:
            if not item.data.is_complex():
                yield item
                continue
            main = item.role in ("image", "linear")
            yield from (_part(item, name) for name in (asked if main else ["magnitude"]))


def _part(item: Image, name: str) -> Image:
    shift, kind, take = PARTS[name]
    head = item.head.copy()
    head["image_type"] = kind
    if shift:
        own = int(head["image_series_index"]) or 1 + SERIES[item.role]
        head["image_series_index"] = own + shift
    data = take(item.data).contiguous()
    return replace(item, data=data, head=head, meta=noted(item.meta, f"Extract {name}"))
