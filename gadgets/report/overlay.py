"""Contours on an image: as points for a host that draws them, and burnt in."""

import numpy as np
import torch
from PIL import Image as Picture

from gadgets.report.drawing import Color, pixels


def contour(mask: torch.Tensor, points: int = 120) -> list[tuple[float, float]]:
    """The outer border of a mask without holes as seen from its centroid, (x, y) [pixel], closed."""
    places = torch.nonzero(mask).double()
    if len(places) == 0:
        return []
    middle = places.mean(0)
    away = places - middle
    angle, radius = torch.atan2(away[:, 0], away[:, 1]), away.norm(dim=1) + 0.5
    found = []
    for each in np.linspace(-np.pi, np.pi, points, endpoint=False):
        near = ((angle - each + np.pi).remainder(2 * np.pi) - np.pi).abs() < 2.5 * np.pi / points + 0.03
        reach = float(radius[near].max()) if bool(near.any()) else 0.0
        found.append((float(middle[1] + reach * np.cos(each)), float(middle[0] + reach * np.sin(each))))
    return [*found, found[0]]


def roi(points: list[tuple[float, float]], color: Color, thickness: float = 1.0) -> list[float]:
    """A contour as Gadgetron's hosts read it: colour, thickness, style, visible, then x, y, x, y, ..."""
    values = [each / 255 for each in color] + [thickness, 0.0, 1.0]
    return [round(each, 2) for each in (*values, *(value for point in points for value in point))]


def burnt(image: torch.Tensor, masks: list[tuple[torch.Tensor, Color]], size: int = 384) -> torch.Tensor:
    """An image [y, x] in grey with the edges of masks in colours, enlarged, uint16 [3, 1, y, x]."""
    factor = max(1, size // max(image.shape))
    top = float(torch.quantile(image.flatten(), 0.995))
    grey = (image / max(top, 1e-12)).clamp(0, 1).mul(255).to(torch.uint8).numpy()
    large = Picture.fromarray(grey).resize(
        (factor * grey.shape[1], factor * grey.shape[0]), Picture.Resampling.BICUBIC
    )
    out = np.repeat(np.asarray(large)[:, :, None], 3, 2).copy()
    for mask, color in masks:
        wide = np.kron(mask.numpy(), np.ones((factor, factor), bool))
        out[_edge(wide)] = color
    return pixels(Picture.fromarray(out))


def _edge(
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inner, np.bool_)
