"""Contours of labels: as regions of interest in an image's meta, and burnt into it."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Image, Notes, Value
from gadgets.image.history import noted
from models.cardiac.contour import Points, outline, smoothed
from models.cardiac.regions import largest, shrunk
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT

COLOURS = {"LV_ENDO": (1.0, 0.2, 0.2), "LV_EPI": (0.2, 1.0, 0.2), "RV": (0.3, 0.5, 1.0)}
"""Red, green, blue."""

BRIGHT = {"LV_ENDO": 1.0, "LV_EPI": 0.9, "RV": 0.8}
"""Of a contour in a grey image, of its brightest pixel."""


def masks(labels: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """What each contour goes around, by its name; those that are empty are left out."""
    found = {
        "LV_ENDO": labels == CAVITY,
        "LV_EPI": (labels == CAVITY) | (labels == MUSCLE),
        "RV": labels == RIGHT,
    }
    return {name: mask for name, mask in found.items() if mask.any()}


def regions_of_interest(labels: NDArray[np.uint8]) -> dict[str, Value]:
    """``ROI_NAME`` in FIRE's form: red, green, blue, thickness, style, visible, then x and y of points."""
    found: dict[str, Value] = {}
    for name, mask in masks(labels).items():
        points: Points = smoothed(outline(largest(mask)))
        numbers = [*COLOURS[name], 1.0, 0.0, 1.0, *points[:, ::-1].ravel().tolist()]
        found[f"ROI_{name}"] = [f"{number:.2f}" for number in numbers]
    return found


def burnt(image: Image, labels: NDArray[np.uint8], common: Notes) -> Image:
    """The image with bright contours in it, one pixel wide."""
    data = image.data.abs() if image.data.is_complex() else image.data.clone()
    top = float(data.amax())
    for name, mask in masks(labels).items():
        edge = torch.from_numpy(mask & ~shrunk(mask))
        data[..., edge] = torch.tensor(BRIGHT[name] * top).to(data.dtype)
    head = image.head.copy()
    head["image_series_index"], head["image_index"] = 0, 0
    meta = noted(image.meta, "Segment contours", common)
    return replace(image, data=data, head=head, role="contours", meta=meta, noise=None)
