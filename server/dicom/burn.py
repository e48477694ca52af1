"""Words burnt into pixels: in rows of their own below the image, so that they cover none of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from server.dicom.study import WARNING

SIZES = (14, 12, 10, 9, 8)
"""Heights of letters [pixels] that are tried until a word fits."""


def band(columns: int, words: str = WARNING.upper()) -> NDArray[np.bool_]:
    """The words as [row, column], on as many lines as it takes; at least 8 pixels a letter high.

    A word wider than the image is cut at its edge.
    """
    size = next((each for each in SIZES if max(_width(word, each) for word in words.split()) <= columns), 8)
    lines = _lines(words, columns, size)
    picture = Picture.new("L", (columns, len(lines) * (size + 3) + 1), 0)
    for number, line in enumerate(lines):
        place = (max(0, (columns - _width(line, size)) // 2), number * (size + 3))
        ImageDraw.Draw(picture).text(place, line, fill=255, font=ImageFont.load_default(size))
    return np.asarray(picture) > 96


def _lines(words: str, columns: int, size: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, size) <= columns:
            lines[-1] = longer
        else:
            lines.append(word)
    return [each for each in lines if each]


def _width(text: str, size: int) -> int:
    return int(np.ceil(ImageFont.load_default(size).getlength(text)))
