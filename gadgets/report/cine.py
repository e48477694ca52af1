"""The report of cardiac function as one grey picture: table, volume curves, key frames with contours."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Image

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SIDE = 512
"""Of the picture [pixel]."""

TOP = 4095
"""Its brightest value."""

ROWS = (
    ("EDV", "edv", "ml"),
    ("ESV", "esv", "ml"),
    ("SV", "sv", "ml"),
    ("EF", "ef", "%"),
    ("CO", "co", "l/min"),
    ("mass", "mass", "g"),
)
FRAMES = 4

Looks = Sequence[Sequence[Image | None]]
"""[phase][slice]."""


def picture(
    document: Mapping[str, Any], looks: Looks, labels: NDArray[np.uint8], pixel: float
) -> torch.Tensor:
    """The picture, int32 [y, x], 0 to ``TOP``; labels [phase, slice, y, x]."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    sheet = Pictures.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(sheet)
    _words(pen, (12, 8), f"{document['title']}  ({document['method']})", 18)
    if document["measurements"]:
        _table(pen, document)
        _curves(pen, document, (270, 44, 500, 190))
        for row, name in enumerate(("ed", "es")):
            phase = int(document["phases"][name])
            _words(pen, (12, 226 + 124 * row), name.upper(), 14)
            for column, tile in enumerate(_frames(looks[phase], labels[phase])):
                sheet.paste(tile, (44 + 116 * column, 226 + 124 * row))
    _flags(pen, document, 476 if document["measurements"] else 60)
    return torch.from_numpy(np.array(sheet, np.int32) * TOP // 255)


def _words(pen: "ImageDraw", place: tuple[float, float], text: str, size: int, bright: int = 255) -> None:
    from PIL import ImageFont

    pen.text(place, text, fill=bright, font=ImageFont.load_default(size))


def _table(pen: "ImageDraw", document: Mapping[str, Any]) -> None:
    values = {each["quantity"]: each["value"] for each in document["measurements"]}
    for place, head in ((88, "LV"), (168, "RV")):
        _words(pen, (place, 40), head, 16)
    for row, (name, key, unit) in enumerate(ROWS):
        y = 62 + 22 * row
        _words(pen, (12, y), name, 16, 200)
        for place, side in ((88, "lv"), (168, "rv")):
            value = values.get(f"{side}_{key}")
            if value is not None:
                text = f"{value:.1f}" if unit == "l/min" else f"{value:.0f}"
                _words(pen, (place, y), f"{text} {unit}", 16)
    rate = values.get("heart_rate")
    said = f"heart rate {rate:.0f}/min" if rate else "heart rate unknown"
    surface = values.get("bsa")
    _words(pen, (12, 198), said + (f", BSA {surface:.2f} m2" if surface else ""), 14, 200)


def _curves(pen: "ImageDraw", document: Mapping[str, Any], box: tuple[int, int, int, int]) -> None:
    """Volume over the heartbeat: left bright, right grey."""
    left, top, right, bottom = box
    pen.rectangle(box, outline=120)
    highest = max(max(each) for each in document["curves_ml"].values()) or 1.0
    for name, bright in (("lv", 255), ("rv", 150)):
        course = document["curves_ml"][name]
        step = (right - left) / max(len(course) - 1, 1)
        points = [
            (left + step * n, bottom - (bottom - top) * each / (1.05 * highest))
            for n, each in enumerate(course)
        ]
        if len(points) > 1:
            pen.line(points, fill=bright, width=2)
        _words(pen, (left + 6 + (40 if name == "rv" else 0), bottom - 20), name.upper(), 14, bright)
    _words(pen, (left + 4, top + 2), f"{highest:.0f} ml", 12, 160)


def _frames(looks: Sequence[Image | None], labels: NDArray[np.uint8]) -> list[Any]:
    """Slices from first to last labelled one, around the heart, with bright contours."""
    from gadgets.cardiac.contours import burnt

    has = [n for n in range(len(labels)) if labels[n].any() and looks[n] is not None]
    if not has:
        return []
    at = np.unique(np.linspace(0, len(has) - 1, FRAMES).round().astype(int))
    rows, columns = (np.flatnonzero((labels > 0).any((0, axis))) for axis in (2, 1))
    cut = _around(rows, labels.shape[1]), _around(columns, labels.shape[2])
    tiles = []
    for n in (has[place] for place in at):
        image = looks[n]
        if image is not None:
            tiles.append(_tile(burnt(image, labels[n], {}).data[0, 0].abs().float().numpy()[cut]))
    return tiles


def _around(found: NDArray[np.int64], size: int) -> slice:
    return slice(max(int(found[0]) - 12, 0), min(int(found[-1]) + 13, size))


def _tile(values: NDArray[np.float32]) -> Any:  # noqa: ANN401 - a picture of PIL
    from PIL import Image as Pictures

    top = float(np.percentile(values, 99)) or 1.0
    grey = (np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    whole = Pictures.fromarray(grey)
    size = 112 / max(whole.size)
    return whole.resize((round(whole.width * size), round(whole.height * size)))


def _flags(pen: "ImageDraw", document: Mapping[str, Any], y: int) -> None:
    size = 14 if document["measurements"] else 16
    lines: list[str] = []
    for flag in document["flags"]:
        words = ""
        for word in flag.split():
            if len(words) + len(word) > (76 if size == 14 else 62):
                lines.append(words)
                words = "  "
            words += f"{word} "
        lines.append(words)
    for row, line in enumerate(lines[-2:] if document["measurements"] else lines[:20]):
        _words(pen, (12, y + (size + 3) * row), line, size, 220)
