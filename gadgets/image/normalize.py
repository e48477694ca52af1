"""Even brightness: the slow shading of the coils, found in the image and divided out, beside the image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Heads, Image
from gadgets.gadget import Gadget
from gadgets.head import ImageType
from gadgets.image.history import noted
from gadgets.recon.sampling import places
from gadgets.scan import Scan

Key = tuple[str, int]
"""What shares a bias map: encoding space and slice."""


@dataclass(frozen=True, kw_only=True)
class Normalize(Gadget):
    """Send each image also with even brightness, and once for each slice the bias map that was divided out.

    The bias is the image's magnitude blurred over ``width`` of the field of view, over the object alone, from
    the slice's first image; its mean over the object is 1. Images pass as they are: what is quantified later
    is never normalised. The normalised ones have the role ``normalized`` and are not in SNR units (times
    the bias map they are the image again); the map has the role ``bias``.
    """

    width: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Full width at half maximum of the blur, as a part of the field of view."""

    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Pixels below this part of the brightest one (the 99th percentile) are no object."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give each image, behind it the bias map where it is a new one, and the normalised image."""
        known: dict[Key, torch.Tensor] = {}
        for item in stream:
            yield item
            if item.role != "image":
                continue
            encoding = item.meta.get("ScansideEncoding", 0)
            key = (str(encoding), int(item.head["slice"]))
            if key not in known:
                known[key] = bias(item.data.abs(), self.width, self.threshold)
                meta = noted(item.meta, "Normalize bias")
                yield replace(item, data=known[key], role="bias", meta=meta, head=_real(item))
            data = item.data / known[key]
            yield replace(item, data=data, role="normalized", meta=noted(item.meta, "Normalize"))


def bias(magnitude: torch.Tensor, width: float, threshold: float) -> torch.Tensor:
    """The slow shading of an image, float32 like it, [channel, z, y, x]; mean 1 over the object.

    The blur of the magnitude over the blur of the object's mask, so that the air counts for nothing.
    """
    inside = magnitude > threshold * torch.quantile(magnitude.flatten()[:: _every(magnitude)], 0.99)
    if not bool(inside.any()):
        return torch.ones_like(magnitude)
    mask = inside.to(torch.float32)
    floor = 1e-3
    found = (_blurred(magnitude * mask, width) + floor * float(magnitude[inside].mean())) / (
        _blurred(mask, width) + floor
    )
    return found / found[inside].mean()


def _every(array: torch.Tensor) -> int:
    """A step that leaves fewer pixels than a quantile may have."""
    return 1 + array.numel() // (1 << 22)


def _blurred(array: torch.Tensor, width: float) -> torch.Tensor:
    """A Gaussian blur of a full width at half maximum in parts of the field of view; never negative."""
    axes = tuple(axis for axis in (-3, -2, -1) if array.shape[axis] > 1)
    kspace = to_kspace(array.to(torch.complex64), axes)
    for axis in axes:
        size = array.shape[axis]
        turns = places(size) * (size / 2)
        weights = torch.exp(-((torch.pi * width * turns) ** 2) / (4 * torch.log(torch.tensor(2.0))))
        kspace = kspace * weights.to(torch.float32).reshape([-1] + [1] * (-1 - axis))
    return to_image(kspace, axes).real.clamp(min=0)


def _real(item: Image) -> Heads:
    head = item.head.copy()
    head["image_type"] = ImageType.MAGNITUDE
    return head
