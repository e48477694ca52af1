"""Phases of a slice that are brighter or darker than the others as a whole: before steady state, or strays.

A network that is shown several phases at once reads their contrast as one scan's.
"""

import torch

LEAST = 1.2
"""How much brighter or darker a phase must be to be set right: flow and breathing change less."""

PART = 0.8
"""Of the bright pixels, which must be brighter, or darker, by so much."""

ALIKE = 1.6
"""What the upper fifth of the pixels begins with over what the lower one ends with, at most: noise leaves it
so, while what beats changes some pixels and not others."""

FEWEST = 8
"""Phases that tell the gain of one from what beats."""


def evened(series: torch.Tensor) -> torch.Tensor:
    """Magnitudes [phase, y, x]; a phase whose gain differs from that of the others is divided by it.

    The gain is the median, over every fourth pixel brighter than the mean, of a phase over the mean of all.
    What is not finite stays, and counts as 0; fewer than ``FEWEST`` phases stay as they are.
    """
    if len(series) < FEWEST:
        return series
    finite = series[..., ::2, ::2].float().nan_to_num(0, 0, 0)
    mean = finite.mean(0)
    bright = mean > mean.mean()
    if not bright.any():
        return series
    parts = torch.tensor([1 - PART, 0.5, PART])
    low, gain, high = torch.quantile(finite[:, bright] / mean[bright], parts, dim=1)
    usual = gain.median().clamp_min(1e-6)
    odd = ((low > LEAST * usual) | (high < usual / LEAST)) & (high < ALIKE * low)
    if not odd.any():
        return series
    return torch.where(odd[:, None, None], series * (usual / gain.clamp_min(1e-6))[:, None, None], series)
