"""Even brightness: the slow shading of the coils, found in the image and divided out, beside the image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field

from gadgets.data import Heads, Image, SurfaceCoil, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.head import ImageType
from gadgets.image.blur import blurred, bright
from gadgets.image.history import noted
from gadgets.image.prescan import Prescan
from gadgets.scan import Scan

Key = tuple[str, int]
"""What shares a bias map: encoding space and slice."""


@dataclass(frozen=True, kw_only=True)
class Normalize(Gadget):
    """Send each image also with even brightness, and once for each slice the bias map that was divided out.

    Where prescan-normalise lines (flag 29) came before the slice's first image the bias is the receive coils'
    shading that they tell, else that image's magnitude blurred over ``width`` of the field of view, over the
    object alone; its mean over the object is 1, and ``ScansideBias`` in the meta says which it is. Images
    pass as they are: what is quantified later is never normalised. The normalised ones have the role
    ``normalized`` and are not in SNR units (times the bias map they are the image again); the map has the
    role ``bias``. Put it behind Resize, which the bias map would not follow.
    """

    width: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Full width at half maximum of the blur, as a part of the field of view."""

    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Pixels below this part of the brightest one (the 99th percentile) are no object."""

    def process(self, stream: Iterable[Image | SurfaceCoil], scan: Scan) -> Iterator[Image | Text]:
        """Give each image, behind it the bias map where it is a new one, and the normalised image.

        A prescan that cannot be read brings a warning, and the image's own shading counts.
        """
        known: dict[Key, tuple[torch.Tensor, str]] = {}
        prescan = Prescan(scan=scan)
        for item in stream:
            if isinstance(item, SurfaceCoil):
                try:
                    prescan.add(item)
                except DataError as error:
                    yield Text(text=f"prescan-normalise lines are not used: {error}", level="warning")
                continue
            yield item
            if item.role != "image":
                continue
            encoding = item.meta.get("ScansideEncoding", 0)
            key = (str(encoding), int(item.head["slice"]))
            fresh = key not in known
            if fresh:
                known[key] = self._bias(item, prescan)
            found, source = known[key]
            meta = {**item.meta, "ScansideBias": source}
            if fresh:
                yield replace(
                    item, data=found, role="bias", meta=noted(meta, "Normalize bias"), head=_real(item)
                )
            yield replace(item, data=item.data / found, role="normalized", meta=noted(meta, "Normalize"))

    def _bias(self, item: Image, prescan: Prescan) -> tuple[torch.Tensor, str]:
        """The bias map of an image, float32 [channel, z, y, x], and what it was made of."""
        magnitude = item.data.abs()
        shading = prescan.shading(item, self.width, self.threshold)
        inside = bright(magnitude, self.threshold)
        if shading is None or not bool(inside.any()) or not float(shading.max()) > 0:
            return bias(magnitude, self.width, self.threshold), "image"
        shading = shading.expand_as(magnitude).clamp(min=LEAST * float(shading.max()))
        return shading / shading[inside].mean(), "prescan"


LEAST = 0.02
"""Of the greatest sensitivity: where there is less, noise would be blown up."""


def bias(magnitude: torch.Tensor, width: float, threshold: float) -> torch.Tensor:
    """The slow shading of an image, float32 like it, [channel, z, y, x]; mean 1 over the object.

    The blur of the magnitude over the blur of the object's mask, so that the air counts for nothing.
    """
    inside = bright(magnitude, threshold)
    if not bool(inside.any()):
        return torch.ones_like(magnitude)
    mask = inside.to(torch.float32)
    floor = 1e-3
    found = (blurred(magnitude * mask, width) + floor * float(magnitude[inside].mean())) / (
        blurred(mask, width) + floor
    )
    return found / found[inside].mean()


def _real(item: Image) -> Heads:
    head = item.head.copy()
    head["image_type"] = ImageType.MAGNITUDE
    return head
