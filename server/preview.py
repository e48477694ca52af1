"""A small picture of an image, for whoever watches the scan."""

import base64
from typing import Any

import numpy as np
import torch

from gadgets.data import Image
from server.control.events import EDGE

CLIP = 0.995
"""Share of the pixels that are not cut off at the bright end."""


def preview(image: Image) -> dict[str, Any]:
    """The fields of a ``preview`` event: the middle partition's first channel, one byte for each pixel.

    ``low`` and ``high`` are the image's values at the bytes 0 and 255; ``series`` and ``number`` are the
    image's own.
    """
    data = image.data[0, image.data.shape[1] // 2]
    plane = (data.abs() if data.is_complex() else data).to(torch.float32)
    plane = plane.nan_to_num(0.0, 0.0, 0.0)
    step = max(1, -(-max(plane.shape) // EDGE))
    small = torch.nn.functional.avg_pool2d(plane[None], step, ceil_mode=True)[0].numpy()
    low, high = min(0.0, float(small.min())), float(np.quantile(small, CLIP))
    scale = 255.0 / (high - low) if high > low else 0.0
    pixels = np.clip((small - low) * scale, 0, 255).astype(np.uint8)
    return {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
        "series": int(image.head["image_series_index"]),
        "number": int(image.head["image_index"]),
        "slice": int(image.head["slice"]),
        "low": low,
        "high": max(high, low),
    }
