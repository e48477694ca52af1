"""A scale that is found once, from the first image, and then holds for the whole measurement."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.image.history import noted
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class AutoScale(Gadget):
    """Scale all main images by one constant, which brings the first one to a given brightness.

    The constant stands in the meta as ``ScansideScaleRatio``; intensities within the measurement keep their
    relation, which they would not if each image were scaled by itself. Companions pass as they are.
    """

    to: Annotated[float, Field(gt=0)] = 2048.0
    """What the percentile of the first image's magnitude becomes."""

    percentile: Annotated[float, Field(gt=0, le=100)] = 99.0
    """Of the magnitude; 100 is the maximum."""

    usual: Annotated[float, Field(gt=0)] | None = None
    """The constant that is taken instead, when with none the percentile lies between ``low`` and ``high``."""

    low: Annotated[float, Field(ge=0)] = 64.0
    high: Annotated[float, Field(gt=0)] = 4095.0
    """Between these ``usual`` is taken."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give each image, scaled; an empty first image (all zero) is passed on, and the next one counts."""
        ratio = 0.0
        for item in stream:
            if item.role != "image":
                yield item
                continue
            ratio = ratio or self._ratio(item)
            whole = (ratio or 1.0) * float(item.meta.get("ScansideScaleRatio", 1.0))  # type: ignore[arg-type]
            meta = noted(item.meta, "AutoScale", {"ScansideScaleRatio": whole})
            yield replace(item, data=item.data * (ratio or 1.0), meta=meta)

    def _ratio(self, image: Image) -> float:
        """The constant that the image asks for; 0 for an image without signal."""
        values = image.data.abs().flatten().double()
        count = values.numel()
        rank = min(count, max(1, math.ceil(self.percentile / 100 * count)))
        level = float(torch.kthvalue(values, rank).values)
        if self.usual is not None and self.low <= level <= self.high:
            return self.usual
        return self.to / level if level > 0 else 0.0
