"""The number format in which images leave."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.data import Image, Role
from gadgets.errors import DataError
from gadgets.gadget import Map
from gadgets.image.history import noted
from gadgets.scan import Scan

Positive = Annotated[float, Field(gt=0)]

TYPES = {
    "float32": torch.float32,
    "complex64": torch.complex64,
    "uint16": torch.uint16,
    "int16": torch.int16,
}


@dataclass(frozen=True, kw_only=True)
class Convert(Map):
    """Scale images by a constant of their role, and convert them to one number format.

    Integers are rounded; what lies beyond their range is clipped, and how many pixels were stands in the meta
    as ``ScansideClipped``. The constant stands there as ``ScansideScaleRatio``.
    """

    to: Literal["float32", "complex64", "uint16", "int16", "same"] = "float32"
    """Number format; ``same`` leaves it as it is, for images that are not integers."""

    scale: Positive = 1.0
    """Constant for the images themselves."""

    gfactor: Positive = 1.0
    """Constant for g-factor and noise maps."""

    snr: Positive = 1.0
    """Constant for SNR maps."""

    maximum: Positive | None = None
    """Integers above it are clipped; those above their format's range always are."""

    def one(self, item: Image, scan: Scan) -> Image:
        """The converted image; reports pass.

        Raises DataError where complex values would have to become real.
        """
        if item.role == "report":
            return item
        if item.data.is_complex() and self.to not in ("complex64", "same"):
            raise DataError(
                f"Convert to {self.to} needs real images, got complex ones: put Magnitude before it"
            )
        ratio = self._ratio(item.role)
        data = item.data if ratio == 1 else item.data * ratio
        kind, clipped = TYPES.get(self.to, item.data.dtype), 0
        if kind.is_floating_point or kind.is_complex:
            data = data.to(kind)
        else:
            data, clipped = _to_integers(data, kind, self.maximum)
        whole = ratio * float(item.meta.get("ScansideScaleRatio", 1.0))  # type: ignore[arg-type]
        values = {"ScansideScaleRatio": whole, **({"ScansideClipped": clipped} if clipped else {})}
        return replace(item, data=data, meta=noted(item.meta, f"Convert {self.to}", values))

    def _ratio(self, role: Role) -> float:
        if role in ("image", "normalized", "linear"):
            return self.scale
        return self.snr if role == "snr" else self.gfactor


def _to_integers(data: torch.Tensor, kind: torch.dtype, maximum: float | None) -> tuple[torch.Tensor, int]:
    """The rounded values in the range of ``kind``, and how many had to be clipped. Not-a-numbers become 0."""
    rounded = data.nan_to_num(0.0).round()
    low, high = torch.iinfo(kind).min, torch.iinfo(kind).max
    high = high if maximum is None else min(high, int(maximum))
    clipped = int(((rounded < low) | (rounded > high)).sum())
    return rounded.clamp(low, high).to(kind), clipped
