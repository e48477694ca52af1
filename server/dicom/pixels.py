"""The numbers of an image as DICOM stores them: 16 bits and a factor that gives the values back."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

TOP = 65535

FINEST = 1e-6
"""The smallest step of quantities, which may be of any size; those in SNR units have 0.1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """Value = stored * slope + intercept."""

    data: NDArray[np.uint16]
    slope: float
    intercept: float
    window: tuple[float, float]
    """Centre and width, in values."""


def stored(data: torch.Tensor, ratio: float = 1.0, step: float = 0.1) -> Stored:
    """Real pixels [y, x] as 16 bits without sign.

    Integers are kept as they are, ``ratio`` being what they were multiplied by. Other values are stored in
    steps of ``step``, or the next power of ten that holds the largest: in SNR units, where noise has sd 1,
    that is up to a signal of 6553; rounding adds nothing to the noise, and a series shares a scale.
    """
    if data.dtype in (torch.uint16, torch.int16):
        values = data.to(torch.int32).numpy()
        low = min(0, int(values.min()))
        whole = (values - low).astype(np.uint16)
        return Stored(data=whole, slope=1 / ratio, intercept=low / ratio, window=_window(values / ratio))
    values = data.to(torch.float64).numpy()
    least = _floor(float(values.min()))
    slope = step
    while (float(values.max()) - least) / slope > TOP:
        slope *= 10
    whole = np.rint((values - least) / slope).astype(np.uint16)
    return Stored(data=whole, slope=round(slope, 12), intercept=least, window=_window(values))


def _floor(low: float) -> float:
    """0 for what is not negative, else a power of ten below it."""
    if low >= 0:
        return 0.0
    bound = 1.0
    while -bound > low:
        bound *= 10
    return -bound


def _window(values: NDArray[np.floating]) -> tuple[float, float]:
    """From 0, or the smallest value, to what only one pixel in 200 exceeds."""
    low, high = min(0.0, float(values.min())), float(np.quantile(values, 0.995))
    high = high if high > low else low + 1.0
    return (low + high) / 2, max(high - low, 1e-6)
