"""Where the heart lies in each frame of a series, by frames compared with each other.

A low-rank model takes a heart that stays at another place for a while, as between two held breaths, for a
pattern of its contrast: frames that are compared two by two do not. Neighbours in time differ little in
contrast, those far apart keep small errors from adding up.
"""

from dataclasses import dataclass

import torch

from models.perfusion.resample import blur

LAGS = (1, 2, 3, 5, 8, 13, 21)
"""How far apart two frames are that are compared."""

BAND = (1.0, 4.0)
"""Blur of what is compared, and of what is taken from it first [pixel]: what is left are edges."""

REACH = 16
"""Between two frames nothing is looked for beyond this [pixel]; nor beyond a quarter of the image."""

ERROR = 1.0
"""Of a comparison that counts a quarter of what it would: bolus, not heart, is followed [pixel]."""

ROUNDS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Frames that were compared."""

    first: torch.Tensor
    second: torch.Tensor
    """Which ones, long [pair]."""

    way: torch.Tensor
    """Of the heart from the first to the second, float64 [pair, (y, x)] [pixel]."""

    likeness: torch.Tensor
    """Correlation there, float64 [pair]."""


def trajectory(series: torch.Tensor) -> torch.Tensor:
    """Where the heart lies in each frame float32 [frame, y, x]; its median is 0, [frame, (y, x)] [pixel].

    The positions that most comparisons agree on: least squares, a comparison counting by its correlation and
    the less the farther it is off.
    """
    if len(series) < 2 or min(series.shape[1:]) < 8:
        return torch.zeros(len(series), 2)
    pairs = compared(series)
    count, rows = len(series), torch.arange(len(pairs.way))
    apart = torch.zeros(len(rows), count, dtype=torch.float64)
    apart[rows, pairs.second], apart[rows, pairs.first] = 1.0, -1.0
    square = pairs.likeness.clamp(0.05, 0.99).square()
    trusted = square / (1 - square)
    counts, found = trusted, torch.zeros(count, 2, dtype=torch.float64)
    for _ in range(ROUNDS):
        weighted = counts[:, None] * apart
        found = torch.linalg.solve(
            weighted.mT @ apart + 1e-6 * torch.eye(count, dtype=torch.float64), weighted.mT @ pairs.way
        )
        off = (apart @ found - pairs.way).square().sum(1) / ERROR**2
        counts = trusted / (1 + off).square()
    return (found - found.median(0).values).to(series.dtype)


def compared(series: torch.Tensor) -> Pairs:
    """Each frame with those ``LAGS`` later: by the peak of the correlation about the middle of the image."""
    band = blur(series, BAND[0]) - blur(series, BAND[1])
    eye = _Correlation.of(band)
    first, second, way, likeness = [], [], [], []
    for lag in (each for each in LAGS if each < len(series)):
        place, value = _peak(eye.between(lag))
        first.append(torch.arange(len(series) - lag))
        second.append(first[-1] + lag)
        way.append(place)
        likeness.append(value)
    return Pairs(
        first=torch.cat(first),
        second=torch.cat(second),
        way=torch.cat(way).double(),
        likeness=torch.cat(likeness).double(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Correlation:
    """Of what the window shows of one frame with what it shows of another when it is moved there."""

    shape: tuple[int, int]
    """Padded, so that nothing comes round."""

    reach: int
    seen: torch.Tensor
    """Transforms of the frames in the window, its mean taken out, and ..."""

    whole: torch.Tensor
    """... of whole frames, [frame, y, x]."""

    size: torch.Tensor
    """What the window shows of each frame, root of the sum of its squares, [frame]."""

    there: torch.Tensor
    """The same wherever it is moved, [frame, y, x]."""

    @classmethod
    def of(cls, band: torch.Tensor) -> "_Correlation":
        height, width = band.shape[1:]
        reach = min(REACH, height // 4, width // 4)
        shape = (height + reach, width + reach)
        window = (hann(height)[:, None] * hann(width)).square()
        within = torch.fft.rfft2(window, s=shape).conj()

        def moved(values: torch.Tensor) -> torch.Tensor:
            return _near(torch.fft.irfft2(within * torch.fft.rfft2(values, s=shape), s=shape), reach)

        mean = (window * band).sum((1, 2), keepdim=True) / window.sum()
        away = window * (band - mean)
        least = 1e-12 + 1e-6 * float(band.square().mean())
        share = moved(torch.ones_like(band[:1])).clamp(min=1e-6)
        there = moved(band.square()) - moved(band).square() / share
        return cls(
            shape=shape,
            reach=reach,
            seen=torch.fft.rfft2(away, s=shape).conj(),
            whole=torch.fft.rfft2(band, s=shape),
            size=(away * (band - mean)).sum((1, 2)).clamp(min=least).sqrt(),
            there=there.clamp(min=least).sqrt(),
        )

    def between(self, lag: int) -> torch.Tensor:
        """The correlation of each frame with the one ``lag`` later, [pair, y, x]; the middle is no motion."""
        both = torch.fft.irfft2(self.seen[:-lag] * self.whole[lag:], s=self.shape)
        return _near(both, self.reach) / (self.size[:-lag, None, None] * self.there[lag:])


def _near(values: torch.Tensor, reach: int) -> torch.Tensor:
    """Shifts up to ``reach`` to both sides, [..., 2 reach + 1, 2 reach + 1]."""
    return values.roll((reach, reach), (-2, -1))[..., : 2 * reach + 1, : 2 * reach + 1]


def hann(size: int) -> torch.Tensor:
    """A window that is 0 one sample beyond both ends."""
    return torch.hann_window(size + 2, periodic=False)[1:-1]


def _peak(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each map is highest, from its middle, by the parabola through three samples; and how high."""
    side = values.shape[-1]
    high = values.flatten(1).max(1)
    y, x = (each.clamp(1, side - 2) for each in (high.indices // side, high.indices % side))
    each = torch.arange(len(values))
    middle = values[each, y, x]

    def between(before: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
        bend = (before - 2 * middle + behind).clamp(max=-1e-9)
        return (0.5 * (before - behind) / bend).clamp(-0.5, 0.5)

    along = between(values[each, y - 1, x], values[each, y + 1, x])
    across = between(values[each, y, x - 1], values[each, y, x + 1])
    return torch.stack([y + along, x + across], 1) - side // 2, high.values
