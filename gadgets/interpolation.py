"""Interpolation in time: cubic Hermite pieces through samples of something that moves, as a few weights.

A straight line between two samples of a moving heart shows both of them, half and half in the middle: what
contracts most is too large at end-systole. Cubic pieces have the slopes of parabolas through three samples
each (Bessel's; C. de Boor, A Practical Guide to Splines, 1978, chapter IV; on an even grid: Catmull and Rom,
1974). In the middle between samples a motion of six samples a period then loses 3 % instead of 13 %; noise
is 0.80 of a sample's there instead of 0.71, over a whole beat 0.90 instead of 0.81.
"""

import numpy as np
from numpy.typing import NDArray

TAPS = 4

UNEVEN = 0.4
"""Of an interval, what the ones beside it must have, and its inverse, for slopes to be taken from them."""

Taps = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Samples and their weights, [wanted, tap]; the second and third are those on both sides."""


def on_cycle(place: NDArray[np.float64], wanted: NDArray[np.float64]) -> Taps:
    """What to sum for values at ``wanted`` of samples at ``place``, ascending; both in [0, 1), of a cycle.

    Straight lines, and weights of zero, where fewer than four samples are known or their distances are
    uneven, as beside a gap: the slopes there would be those of noise.
    """
    around = np.searchsorted(place, wanted + 1e-9, side="right")[:, None] + np.arange(-2, 2)
    index = around % len(place)
    return index, _weights(place[index] + np.floor_divide(around, len(place)), wanted, len(place) >= TAPS)


def on_line(place: NDArray[np.float64], wanted: NDArray[np.float64]) -> Taps:
    """The same of samples that do not close, two and more, within their range; straight at both ends."""
    before = (np.searchsorted(place, wanted, side="right") - 1).clip(0, len(place) - 2)
    index = (before[:, None] + np.arange(-1, TAPS - 1)).clip(0, len(place) - 1)
    return index, _weights(place[index], wanted, len(place) >= TAPS)


def _weights(at: NDArray[np.float64], wanted: NDArray[np.float64], enough: bool) -> NDArray[np.float64]:
    """Weights [wanted, tap] of samples at ``at`` [wanted, tap], ascending; straight lines without enough."""
    left, step, right = np.maximum(np.diff(at, axis=1), 1e-9).T
    part = np.clip((wanted - at[:, 1]) / step, 0, 1)
    narrow, wide = np.minimum(left, right) / step, np.maximum(left, right) / step
    even = (narrow >= UNEVEN) & (wide <= 1 / UNEVEN) & enough
    straight = np.stack([np.zeros_like(part), 1 - part, part, np.zeros_like(part)], 1)
    return np.where(even[:, None], _cubic(part, left / step, right / step), straight)


def _cubic(
    part: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights [wanted, tap] at a part of an interval whose neighbours are ``left`` and ``right`` times as
    long."""
    low, high = part * (1 - part) ** 2, -(part**2) * (1 - part)
    rise = part**2 * (3 - 2 * part)
    first, last = low / (left * (1 + left)), high / (right * (1 + right))
    return np.stack(
        [
            -first,
            1 - rise + first * (1 - left**2) - high * right / (1 + right),
            rise + low * left / (1 + left) - last * (1 - right**2),
            last,
        ],
        1,
    )
