"""Bland-Altman pictures of blood flow, drawn with Pillow."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, EDGE = 460, 300, 46
MOST, APART = 5.5, 2.0
"""Of the mean and of the difference [ml/min/g]."""

COLORS = {"true": (40, 90, 200), "estimated": (210, 90, 20)}


def bland_altman(
    sectors: Sequence[dict[str, Any]], cases: Sequence[tuple[str, tuple[float, ...], int]]
) -> bytes:
    """A PNG: a row for true and one for estimated masks, a column for each case."""
    columns = [
        (generator, cnr)
        for generator, cnrs, _ in cases
        for cnr in cnrs
        if any(row["generator"] == generator and row["cnr"] == cnr for row in sectors)
    ]
    picture = Image.new("RGB", (max(1, len(columns)) * WIDTH, 2 * HEIGHT), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for across, (generator, cnr) in enumerate(columns):
        for down, masks in enumerate(("true", "estimated")):
            points = np.array(
                [
                    (row["true"], row["mbf"])
                    for row in sectors
                    if row["generator"] == generator and row["cnr"] == cnr and row["masks"] == masks
                ]
            ).reshape(-1, 2)
            title = f"{generator.upper()}, CNR {cnr:.0f}, {masks} masks"
            _panel(draw, (across * WIDTH, down * HEIGHT), points, title, COLORS[masks])
    out = io.BytesIO()
    picture.quantize(32).save(out, "PNG", optimize=True)
    return out.getvalue()


def _panel(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    points: np.ndarray[Any, Any],
    title: str,
    color: tuple[int, int, int],
) -> None:
    """Difference over mean, with the bias and the limits of agreement."""
    left, top = corner[0] + EDGE, corner[1] + 30
    right, bottom = corner[0] + WIDTH - 10, corner[1] + HEIGHT - 36
    font = ImageFont.load_default(12)

    def place(mean: float, away: float) -> tuple[float, float]:
        away = min(max(away, -APART), APART)
        return left + (right - left) * mean / MOST, (top + bottom) / 2 - (bottom - top) / 2 * away / APART

    draw.rectangle((left, top, right, bottom), outline=(120, 120, 120))
    draw.text((left, corner[1] + 8), f"{title}, {len(points)} sectors", font=font, fill=(0, 0, 0))
    draw.text(
        (right, bottom + 18), "mean of found and true MBF [ml/min/g]", font=font, fill=(0, 0, 0), anchor="rt"
    )
    draw.text((corner[0] + 4, top - 2), "found - true", font=font, fill=(0, 0, 0), anchor="lb")
    for tick in range(6):
        x, _ = place(tick, 0)
        draw.text((x, bottom + 3), str(tick), font=font, fill=(0, 0, 0), anchor="mt")
    for half in (-2, -1, 0, 1, 2):
        _, y = place(0, half)
        draw.text((left - 5, y), f"{half:+d}" if half else "0", font=font, fill=(0, 0, 0), anchor="rm")
    draw.line([place(0, 0), place(MOST, 0)], fill=(190, 190, 190))
    if len(points) == 0:
        return
    means, away = points.mean(1), points[:, 1] - points[:, 0]
    for mean, difference in zip(means.tolist(), away.tolist(), strict=True):
        x, y = place(mean, difference)
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=color)
    bias, half_width = float(away.mean()), 1.96 * float(away.std())
    for value, label in ((bias, "bias"), (bias + half_width, "+1.96 sd"), (bias - half_width, "-1.96 sd")):
        draw.line([place(0, value), place(MOST, value)], fill=(0, 0, 0))
        x, y = place(MOST, value)
        draw.text((x - 4, y - 2), f"{label} {value:+.2f}", font=font, fill=(0, 0, 0), anchor="rb")
