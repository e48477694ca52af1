"""What reports are drawn with: a page, text, colours, a curve in axes. Pillow does the drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

BACK, INK, DIM, ALARM = (0, 0, 0), (235, 235, 235), (150, 150, 150), (255, 120, 90)
LEFT_ANTERIOR, RIGHT, CIRCUMFLEX = (255, 220, 0), (0, 210, 90), (255, 70, 70)
TERRITORIES = {"LAD": LEFT_ANTERIOR, "RCA": RIGHT, "LCX": CIRCUMFLEX}
"""Colours of the coronary arteries' territories, as Gadgetron's console shows them."""

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom [pixel]."""

SCALE = (
    (0.0, (0, 0, 0)),
    (0.15, (30, 0, 140)),
    (0.35, (190, 0, 120)),
    (0.55, (250, 90, 0)),
    (0.78, (255, 210, 0)),
    (1.0, (255, 255, 255)),
)
"""From cold over hot to white."""


def page(width: int, height: int) -> tuple[Picture.Image, ImageDraw.ImageDraw]:
    """A black page, and what draws on it."""
    picture = Picture.new("RGB", (width, height), BACK)
    return picture, ImageDraw.Draw(picture)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that no machine lacks it."""
    return ImageFont.load_default(size)


def hot(value: float, top: float) -> Color:
    """The colour of a value between 0 and ``top``; grey for what is no number."""
    if not np.isfinite(value):
        return (90, 90, 90)
    part = min(max(value / top, 0.0), 1.0)
    red, green, blue = (
        int(np.interp(part, [at for at, _ in SCALE], [color[each] for _, color in SCALE]))
        for each in range(3)
    )
    return red, green, blue


def dark(color: Color) -> bool:
    """Whether white text is the one that can be read on it."""
    return 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2] < 120


def pixels(picture: Picture.Image) -> torch.Tensor:
    """A picture as the data of an image, uint16 [3, 1, y, x], values to 255."""
    return torch.from_numpy(np.asarray(picture, np.uint16).transpose(2, 0, 1)[:, None].copy())


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` letters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("  " + word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip() if lines[-1].strip() else lines[-1] + word
    return lines


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve in axes."""

    times: Sequence[float]
    values: Sequence[float]
    color: Color
    name: str = ""


def plot(
    draw: ImageDraw.ImageDraw, box: Box, curves: Sequence[Curve], labels: tuple[str, str], size: int = 13
) -> None:
    """Curves with their axes, ticks and names; ``labels`` of x and y."""
    left, top, right, bottom = box
    start = min(min(curve.times) for curve in curves)
    end = max(max(curve.times) for curve in curves)
    high = 1.08 * max(1e-3, *(max(curve.values) for curve in curves))
    low = min(0.0, *(min(curve.values) for curve in curves))

    def place(time: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * (time - start) / max(end - start, 1e-9)
        return x, bottom - (bottom - top) * (value - low) / (high - low)

    draw.line([(left, top), (left, bottom), (right, bottom)], fill=DIM)
    for tick in ticks(low, high):
        x, y = place(start, tick)
        draw.line([(x - 4, y), (x, y)], fill=DIM)
        draw.text((x - 7, y), f"{tick:g}", font=font(size), fill=INK, anchor="rm")
    for tick in ticks(0.0, end - start):
        x, y = place(start + tick, low)
        draw.line([(x, y), (x, y + 4)], fill=DIM)
        draw.text((x, y + 6), f"{tick:g}", font=font(size), fill=INK, anchor="mt")
    draw.text((right, bottom + 22), labels[0], font=font(size), fill=INK, anchor="rt")
    draw.text((left + 6, top - 4), labels[1], font=font(size), fill=INK, anchor="lb")
    for number, curve in enumerate(curves):
        draw.line(
            [place(t, v) for t, v in zip(curve.times, curve.values, strict=True)], fill=curve.color, width=2
        )
        if curve.name:
            draw.text(
                (right - 4, top + 16 * number), curve.name, font=font(size), fill=curve.color, anchor="rt"
            )


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    rough = max(high - low, 1e-9) / 5
    power = 10 ** np.floor(np.log10(rough))
    step = next(float(each * power) for each in (1, 2, 5, 10) if each * power >= rough)
    return [float(each) for each in np.arange(np.ceil(low / step) * step, high + step / 100, step)]
