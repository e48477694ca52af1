"""A picture of what a file holds: a montage of its images, or of its k-space."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gadgets.report.drawing import hot

SIDE = 288
"""Longest side of a tile [pixel of the picture]."""

MARGIN = 10
LINE = 16
INK, FAINT, PAPER = (240, 240, 240), (150, 150, 150), (16, 16, 16)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One image of the montage."""

    values: NDArray[Any] = field(repr=False)
    """[y, x], real; or [y, x, 3], the colours themselves, to 255."""

    extent: tuple[float, float]
    """Width and height in one common unit; only their ratio counts."""

    window: tuple[float, float]
    """The values that are shown black and white."""

    caption: tuple[str, ...]
    """Lines of text below it."""

    hot: bool = False
    """Values are shown from cold over hot to white, else in grey."""


def window(values: NDArray[Any], low: float = 0.0, high: float = 99.5) -> tuple[float, float]:
    """The values between two percentiles; magnitudes begin at 0 where ``low`` is 0."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    bottom, top = (float(each) for each in np.percentile(finite, (low, high)))
    if low == 0 and bottom >= 0:
        bottom = 0.0
    return bottom, top if top > bottom else bottom + 1


def chosen(sizes: Sequence[int], most: int) -> list[list[int]]:
    """Which images of each series fit into ``most`` tiles: evenly spread, at least one of each.

    Series get as many as the longest of them, as far as they have them.
    """
    counts = [min(1, size) for size in sizes]
    while sum(counts) < most and (hungry := [n for n, size in enumerate(sizes) if counts[n] < size]):
        for each in sorted(hungry, key=lambda n: counts[n])[: most - sum(counts)]:
            counts[each] += 1
    return [
        np.unique(np.linspace(0, size - 1, count).round().astype(int)).tolist() if count else []
        for size, count in zip(sizes, counts, strict=True)
    ]


def montage(rows: Iterable[Sequence[Tile]], title: str = "") -> Image.Image:
    """The tiles in rows, as many columns as make it about square; series are broken where they must be."""
    groups = [list(row) for row in rows if row]
    columns = _columns([len(row) for row in groups])
    lines = _lines(groups, columns)
    heights = [max(_size(tile)[1] + _text_height(tile) for tile in line) + MARGIN for line in lines]
    top = 2 * MARGIN + LINE if title else MARGIN
    widest = max((sum(_cell(tile) + MARGIN for tile in line) for line in lines), default=SIDE + MARGIN)
    canvas = Image.new("RGB", (MARGIN + widest, top + sum(heights)), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), title, INK, font=_font())
    for line, height in zip(lines, heights, strict=True):
        left = MARGIN
        for tile in line:
            _place(canvas, draw, tile, (left, top))
            left += _cell(tile) + MARGIN
        top += height
    return canvas


def _lines(groups: Iterable[Sequence[Tile]], columns: int) -> list[list[Tile]]:
    """The series in lines of so many tiles: next to each other where all of the next one has room."""
    lines: list[list[Tile]] = []
    for row in groups:
        if lines and len(lines[-1]) + len(row) <= columns:
            lines[-1].extend(row)
        else:
            lines += [list(row[start : start + columns]) for start in range(0, len(row), columns)]
    return lines


def _columns(counts: Sequence[int]) -> int:
    """As many as make the picture about square, and hold a series of usual length whole."""
    square = round(math.sqrt(1.25 * sum(counts)))
    usual = sorted(counts)[len(counts) // 2] if counts else 1
    return max(1, square, min(usual, 8))


def _place(canvas: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int]) -> None:
    width, height = _size(tile)
    shown = _painted(tile).resize((width, height), Image.Resampling.BICUBIC)
    left, top = corner
    canvas.paste(shown, (left + (_cell(tile) - width) // 2, top))
    for number, text in enumerate(tile.caption):
        ink = FAINT if number else INK
        draw.text((left, top + height + 2 + number * LINE), _fitting(text), ink, font=_font())


def _painted(tile: Tile) -> Image.Image:
    if tile.values.ndim == 3:
        return Image.fromarray(tile.values.clip(0, 255).astype(np.uint8))
    low, high = tile.window
    scaled = np.nan_to_num((tile.values.astype(np.float64) - low) / (high - low), nan=0.0)
    levels = (255 * scaled.clip(0, 1)).round().astype(np.uint8)
    if not tile.hot:
        return Image.fromarray(levels)
    return Image.fromarray(np.array([hot(level, 255) for level in range(256)], np.uint8)[levels])


def _side(tile: Tile) -> int:
    """Of the longest side [pixel of the picture]: what has letters in it is not made smaller."""
    return max(SIDE, *tile.values.shape[:2]) if tile.values.ndim == 3 else SIDE


def _cell(tile: Tile) -> int:
    """The width that a tile takes up."""
    return max(SIDE, _size(tile)[0])


def _size(tile: Tile) -> tuple[int, int]:
    """Width and height in the picture."""
    width, height = tile.extent
    scale = _side(tile) / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _text_height(tile: Tile) -> int:
    return LINE * len(tile.caption) + 4


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(13)


def _fitting(text: str) -> str:
    """The text, shortened where it is wider than a tile."""
    font, shown = _font(), text
    while text and font.getlength(shown) > SIDE:
        text = text[:-1]
        shown = text + "…"
    return shown
