"""Magnitude images."""

from dataclasses import dataclass, replace

from gadgets.data import Image
from gadgets.gadget import Map
from gadgets.head import ImageType
from gadgets.image.history import noted
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Magnitude(Map):
    """Take the magnitude of complex images; images that are real already pass."""

    def one(self, item: Image, scan: Scan) -> Image:
        """The image as float32."""
        if not item.data.is_complex():
            return item
        head = item.head.copy()
        head["image_type"] = ImageType.MAGNITUDE
        return replace(item, data=item.data.abs(), head=head, meta=noted(item.meta, "Magnitude"))
