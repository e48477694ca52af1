"""Curves over time: interpolation, and the landmarks of a bolus."""

from dataclasses import dataclass

import torch

STEP = 0.1
"""Of the grid on which landmarks are sought [s]; heartbeats are ten times as far apart."""

RISE = 0.05
"""The foot is where the curve has risen by this part of what it rises to its peak."""

EARLIER = 1.0
"""Before the foot what has risen already is less than noise [s]."""


def interpolation(times: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """The matrix that takes values at ``times`` [s] to those at ``moments`` [s], float64 [moment, time].

    Cubic Hermite polynomials with the slopes of the parabola through three neighbours: exact for parabolas at
    any distances. Beyond the ends the end's value.
    """
    times, moments = times.to(torch.float64), moments.to(torch.float64).clamp(times[0], times[-1])
    count = len(times)
    slopes = _slopes(times)
    right = torch.searchsorted(times, moments.contiguous()).clamp(1, count - 1)
    left = right - 1
    length = times[right] - times[left]
    x = ((moments - times[left]) / length)[:, None]
    unit = torch.eye(count, dtype=torch.float64)
    return (
        (2 * x**3 - 3 * x**2 + 1) * unit[left]
        + (3 * x**2 - 2 * x**3) * unit[right]
        + length[:, None] * ((x**3 - 2 * x**2 + x) * slopes[left] + (x**3 - x**2) * slopes[right])
    )


def _slopes(times: torch.Tensor) -> torch.Tensor:
    """The matrix from values to slopes, [time, time]; chords at the ends."""
    count = len(times)
    unit = torch.eye(count, dtype=torch.float64)
    chords = (unit[1:] - unit[:-1]) / times.diff()[:, None]
    if count == 2:
        return chords.expand(2, -1)
    before, after = times.diff()[:-1, None], times.diff()[1:, None]
    middle = (chords[:-1] * after + chords[1:] * before) / (before + after)
    return torch.cat([chords[:1], middle, chords[-1:]])


def grid(times: torch.Tensor, step: float = STEP) -> torch.Tensor:
    """Moments every ``step`` s from the first to the last of ``times``, float64."""
    count = int((float(times[-1]) - float(times[0])) / step + 1e-9) + 1
    return float(times[0]) + step * torch.arange(count, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Bolus:
    """The landmarks of a first pass, as indices of the samples."""

    foot: int
    """Before the rise: where the curve crosses ``RISE`` of its height, walking back from the peak."""

    still: int
    """So long nothing has come: ``EARLIER`` before the foot."""

    peak: int
    valley: int
    """Between first pass and recirculation: the first minimum behind the peak, else the last sample."""

    baseline: float
    """Mean of what is still."""

    height: float
    """Of the peak over the baseline."""

    noise: float
    """Standard deviation of what is still."""


def bolus(curve: torch.Tensor, step: float = STEP) -> Bolus:
    """The landmarks of a curve [sample] that is sampled every ``step`` s; it need not hold a bolus at all."""
    curve = curve.to(torch.float64)
    smooth = smoothed(curve, 0.8 / step)
    peak, near = int(smooth.argmax()), round(1.0 / step)
    low, high = max(0, peak - near), min(len(curve), peak + near + 1)
    peak = low + int(smoothed(curve, 0.5 / step)[low:high].argmax())
    early = smooth[: max(1, peak)]
    level = float(early.quantile(0.2)) if len(early) else 0.0
    threshold = level + RISE * (float(curve[peak]) - level)
    below = torch.nonzero(curve[:peak] < threshold)[:, 0]
    foot = int(below[-1]) if len(below) else 0
    still = max(0, foot - round(EARLIER / step))
    before = curve[: max(1, still)]
    return Bolus(
        foot=foot,
        still=still,
        peak=peak,
        valley=_valley(smooth, peak),
        baseline=float(before.mean()),
        height=float(curve[peak]) - float(before.mean()),
        noise=float(before.std(correction=0)) if len(before) > 1 else 0.0,
    )


def _valley(smooth: torch.Tensor, peak: int) -> int:
    rising = torch.nonzero(smooth[peak:].diff() > 0)[:, 0]
    fallen = torch.nonzero(smooth[peak:] < 0.6 * smooth[peak])[:, 0]
    first = int(fallen[0]) if len(fallen) else len(smooth) - peak - 1
    later = rising[rising >= first]
    return peak + int(later[0]) if len(later) else len(smooth) - 1


def smoothed(curve: torch.Tensor, sd: float) -> torch.Tensor:
    """A Gaussian of standard deviation ``sd`` samples along the last axis; the ends are continued."""
    reach = max(1, int(3 * sd + 0.5))
    place = torch.arange(-reach, reach + 1, dtype=curve.dtype)
    weights = torch.exp(-0.5 * (place / sd) ** 2)
    rows = torch.nn.functional.pad(curve.reshape(1, -1, curve.shape[-1]), (reach, reach), mode="replicate")
    return (rows.unfold(-1, 2 * reach + 1, 1) @ (weights / weights.sum())).reshape(curve.shape)
