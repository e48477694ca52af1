"""The bull's-eye of the sixteen segments, and their table."""

from collections.abc import Mapping

import numpy as np
from PIL import ImageDraw

from gadgets.report.drawing import DIM, INK, TERRITORIES, Color, dark, font, hot
from models.cardiac.sectors import NAMES, TERRITORY

RINGS = ((1.0, 0.7), (0.7, 0.42), (0.42, 0.14))
"""Outer and inner radius of the basal, the middle and the apical ring, as parts of the whole."""

SHORT = {
    "anterior": "Ant",
    "anteroseptal": "AntSep",
    "inferoseptal": "InfSep",
    "inferior": "Inf",
    "inferolateral": "InfLat",
    "anterolateral": "AntLat",
    "septal": "Sep",
    "lateral": "Lat",
}


def bullseye(
    draw: ImageDraw.ImageDraw,
    center: tuple[float, float],
    radius: float,
    values: Mapping[int, float],
    top: float,
) -> None:
    """Segments coloured by their values, anterior above, septum at the left; missing ones are grey."""
    for segment in range(1, 17):
        ring = RINGS[0 if segment <= 6 else 1 if segment <= 12 else 2]
        start, width = span(segment)
        value = values.get(segment, float("nan"))
        color = hot(value, top)
        _sector(draw, center, (ring[1] * radius, ring[0] * radius), (start, start + width), color)
        middle = np.deg2rad(start + width / 2)
        at = radius * (ring[0] + ring[1]) / 2
        place = center[0] + at * np.cos(middle), center[1] - at * np.sin(middle)
        text = f"{value:.1f}" if np.isfinite(value) else "-"
        draw.text(place, text, font=font(14), fill=INK if dark(color) else (0, 0, 0), anchor="mm")


def span(segment: int) -> tuple[float, float]:
    """Where a segment begins and how far it goes [degree], counter-clockwise from the right side."""
    if segment <= 12:
        return 60.0 + 60 * ((segment - 1) % 6), 60.0
    return 45.0 + 90 * (segment - 13), 90.0


def _sector(
    draw: ImageDraw.ImageDraw,
    center: tuple[float, float],
    radii: tuple[float, float],
    angles: tuple[float, float],
    color: Color,
) -> None:
    turn = np.deg2rad(np.linspace(*angles, 24))
    outer = [(center[0] + radii[1] * np.cos(t), center[1] - radii[1] * np.sin(t)) for t in turn]
    inner = [(center[0] + radii[0] * np.cos(t), center[1] - radii[0] * np.sin(t)) for t in turn[::-1]]
    draw.polygon([*outer, *inner], fill=color, outline=(110, 110, 110))


def table(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    columns: Mapping[str, Mapping[int, float]],
    last: Mapping[str, float],
) -> float:
    """Sixteen rows in the colours of the arteries, and a bold one for all. Gives the y below it.

    ``columns``: values of the segments, by the column's head (without one where there is one column alone);
    ``last``: of all, by the same.
    """
    x, y = corner
    ends = [x + 150 + 36 * each for each in range(len(columns))]
    if len(columns) > 1:
        for end, head in zip(ends, columns, strict=True):
            draw.text((end, y - 16), head, font=font(12), fill=DIM, anchor="ra")
    for segment, name in enumerate(NAMES, 1):
        level, _, wall = name.partition(" ")
        label = f"{segment:2d} {level[:3].title()}{SHORT[wall]}"
        draw.text((x, y), label, font=font(13), fill=TERRITORIES[TERRITORY[segment - 1]])
        for end, values in zip(ends, columns.values(), strict=True):
            draw.text((end, y), _two(values.get(segment)), font=font(13), fill=INK, anchor="ra")
        y += 16
    draw.text((x, y + 3), "GLOBAL", font=font(16), fill=(255, 255, 255))
    for end, head in zip(ends, columns, strict=True):
        draw.text((end, y + 3), _two(last.get(head)), font=font(16), fill=(255, 255, 255), anchor="ra")
    return y + 26


def _two(value: float | None) -> str:
    return f"{value:.2f}" if value is not None and np.isfinite(value) else "-"
