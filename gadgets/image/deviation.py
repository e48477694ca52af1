"""How much images vary from repetition to repetition: the noise as it is, beside the noise as computed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.image.history import noted
from gadgets.scan import Scan

SERIES = 3000
"""Gadgetron's number of the series: ten times that of the SNR maps."""

Key = tuple[int, ...]
"""The images that are repetitions of each other: slice, contrast, set, cardiac phase."""


@dataclass(frozen=True, kw_only=True)
class Deviation(Gadget):
    """Send, when the scan ends, the standard deviation of the SNR maps over the repetitions.

    Of their magnitude, with n - 1; in a still object of good SNR it is 1 where the noise map is right. A
    slice with fewer than two repetitions gets none. All images pass.
    """

    start: Annotated[int, Field(ge=0)] = 5
    """The first repetition that counts: before it the signal may still approach its steady state."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give each image, and behind the last one the deviations."""
        seen: dict[Key, _Moments] = {}
        for item in stream:
            if item.role == "snr" and int(item.head["repetition"]) >= self.start:
                key = tuple(int(item.head[name]) for name in ("slice", "contrast", "set", "phase"))
                if key in seen:
                    seen[key].add(item.data.abs())
                else:
                    seen[key] = _Moments(item)
            yield item
        for key in sorted(seen):
            if seen[key].count > 1:
                yield seen[key].image()


class _Moments:
    """Mean and sum of squared deviations, updated image by image (Welford)."""

    def __init__(self, first: Image) -> None:
        self._first = first
        self.count = 1
        self._mean = first.data.abs().double()
        self._squares = torch.zeros_like(self._mean)

    def add(self, values: torch.Tensor) -> None:
        self.count += 1
        apart = values.double() - self._mean
        self._mean = self._mean + apart / self.count
        self._squares = self._squares + apart * (values.double() - self._mean)

    def image(self) -> Image:
        deviation = (self._squares / (self.count - 1)).sqrt().float()
        head = self._first.head.copy()
        head["image_series_index"] = SERIES
        meta = noted(self._first.meta, f"Deviation over {self.count}")
        return replace(self._first, data=deviation, head=head, role="noise", meta=meta)
