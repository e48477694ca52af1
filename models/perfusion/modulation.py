"""What breathing does to the brightness of the muscle, found in the muscle itself.

The coils' shading is steeper near them than farther away, so that no one slope of it (``shading``) holds for
the whole ring: a breath of 10 mm leaves 2 to 5 % of modulation in single segments, in step with the breath.
Contrast comes and goes over many heartbeats, breath from each to the next: what is alike in the second
differences of signal and breath is the breath's.
"""

import torch

from models.perfusion.resample import blur

NEAR = 0.006
"""Standard deviation of the surroundings that a pixel's modulation is found in [m]."""

LIKELY = 5.0
"""Standard deviation of the modulation that is expected [1/m]: shading of 4 % per 8 mm."""

FAINT = 0.005
"""Of the signal: noise of its surroundings' mean is no less."""

RISE = (0.05, 0.95)
"""While the muscle's mean is between these parts of its rise contrast arrives, and nothing is learnt."""

PASSES = 5
"""Of the robust fit: contrast arrives in a few second differences that no breath explains."""

CAUCHY = 2.4
"""Residuals of so many standard deviations count by half."""

APART = 1.5
"""Times the median from one frame to the next: beyond it contrast has gone on by more than a breath does."""


def unmodulated(
    series: torch.Tensor, muscle: torch.Tensor, way: torch.Tensor, times: torch.Tensor, pixel: float
) -> torch.Tensor:
    """The series [frame, y, x] as bright in the ``muscle`` [y, x] as it were without the breath's way.

    ``way`` [frame] [m]: of each frame from the common geometry. Signals are taken for (1 + g way) times what
    they would be, and g, of each pixel and its surroundings, for what explains most of the second differences
    while no contrast arrives: of frames that follow each other, by ``times`` [frame] [s], for where some are
    missing contrast goes on in a step as a breath does. The way counts from the middle one of three frames:
    from elsewhere noise would be explained by its own multiple. It is used as far as what one half of these
    frames says of it holds in the other. ``pixel`` [m]. As it is outside of the muscle, and of fewer than
    eight frames.
    """
    if len(series) < 8 or not bool(muscle.any()):
        return series
    gain, part = modulation(series, muscle, way, times, pixel)
    out = series.clone()
    by = way.to(torch.float64)[:, None]
    out[:, muscle] = (series[:, muscle] / (1 + by * part * gain)).to(series.dtype)
    return out


def modulation(
    series: torch.Tensor, muscle: torch.Tensor, way: torch.Tensor, times: torch.Tensor, pixel: float
) -> tuple[torch.Tensor, float]:
    """The gain g [pixel of the muscle] [1/m] of ``unmodulated``, and the part of it that is used."""
    smooth = _within(series, muscle, NEAR / pixel).double()
    by = way.to(torch.float64)[:, None]
    cause = smooth[2:] * (by[2:] - by[1:-1]) + smooth[:-2] * (by[:-2] - by[1:-1])
    used = ~_arriving(smooth.mean(1)) & _together(times)
    cause, seen, least = cause[used], _bend(smooth)[used], FAINT * smooth.mean(0)
    return _gain(cause, seen, least), _again(cause, seen, least)


def way_of(displacement: torch.Tensor) -> torch.Tensor:
    """How far along the breath's way frames lie from the common geometry [pixel], float64 [frame].

    A frame that lies farther than nearly all of them does not say where the way leads: it may be laid wrong.
    ``displacement`` [frame, (y, x), y, x] [pixel].
    """
    shifts = displacement.mean((2, 3)).to(torch.float64)
    low, high = torch.quantile(shifts, torch.tensor([0.02, 0.98], dtype=torch.float64), 0)
    away = shifts.clamp(low, high) - shifts.median(0).values
    way: torch.Tensor = shifts @ torch.linalg.eigh(away.mT @ away)[1][:, -1]
    return way


def _within(series: torch.Tensor, mask: torch.Tensor, sd: float) -> torch.Tensor:
    """The pixels of a mask, blurred within it, [frame, pixel]."""
    weight = mask.to(series.dtype)
    smooth = blur(series * weight, sd) / blur(weight[None], sd).clamp(min=1e-3)
    return smooth[:, mask]


def _bend(values: torch.Tensor) -> torch.Tensor:
    """Second differences along the first axis."""
    return values[2:] - 2 * values[1:-1] + values[:-2]


def _together(times: torch.Tensor) -> torch.Tensor:
    """Second differences whose frames follow each other, by their times [frame], bool."""
    near = times.diff() <= APART * times.diff().median()
    return near[1:] & near[:-1]


def _arriving(mean: torch.Tensor) -> torch.Tensor:
    """Second differences that the arrival of contrast takes part in, of the muscle's mean [frame], bool."""
    out = torch.zeros(len(mean) - 2, dtype=torch.bool)
    smooth = torch.nn.functional.avg_pool1d(mean[None], 3, 1, 1, count_include_pad=False)[0]
    peak = int(smooth.argmax())
    if peak == 0:
        return out
    low = smooth[:peak].min()
    part = (smooth[:peak] - low) / (smooth[peak] - low).clamp(min=1e-12)
    below, above = torch.nonzero(part < RISE[0])[:, 0], torch.nonzero(part > RISE[1])[:, 0]
    last = int(below[-1]) if len(below) else 0
    done = int(above[above > last][0]) if bool((above > last).any()) else peak
    out[max(0, last - 2) : done + 1] = True
    return out


def _again(cause: torch.Tensor, seen: torch.Tensor, least: torch.Tensor) -> float:
    """The part of the gain that holds from one half of the differences to the other, 0 to 1, for all pixels.

    Of what each half's gain makes of the other half's causes so much is seen there. What is no breath's, or
    of a single one, does not come again.
    """
    half, foretold, found = len(cause) // 2, 0.0, 0.0
    for known, other in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        said = _gain(cause[known], seen[known], least) * cause[other]
        foretold += float(said.square().sum())
        found += float((said * seen[other]).sum())
    return min(max(found / foretold, 0.0), 1.0) if foretold > 0 else 0.0


def _gain(cause: torch.Tensor, seen: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """What of ``seen`` is so many times ``cause``, robustly, [pixel] [1/m]; both [difference, pixel].

    With a noise of at ``least`` so much [pixel].
    """
    gain = torch.zeros_like(least)
    for _ in range(PASSES if len(seen) else 0):
        left = seen - gain * cause
        spread = (1.4826 * left.abs().median(0).values).maximum(least * 6**0.5).clamp(min=1e-12)
        weight = 1 / (1 + (left / (CAUCHY * spread)).square())
        prior = spread.square() / LIKELY**2
        gain = (weight * cause * seen).sum(0) / ((weight * cause.square()).sum(0) + prior)
    return gain
