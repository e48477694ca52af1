"""The coils' shading in a first pass: what lies near a coil is no blood because it is bright.

And what breathes towards a coil does not take up contrast agent.
"""

import torch

from models.perfusion.resample import blur

WIDE = 0.012
"""Blur of the proton-density images [m]: coils vary over more than that, organs over less."""

FLOOR = 0.03
"""Of the bright end of proton density: what is darker counts as this bright."""

REACH = 0.035
"""Standard deviation of the region about the heart in which the shading is a plane [m]."""

UNLIKE = 0.25
"""Tissue whose logarithm of proton density is farther from the plane is another kind: lung, the rim of it."""


def evened(series: torch.Tensor, density: torch.Tensor, pixel: float) -> torch.Tensor:
    """A series [frame, y, x] over the smooth part of proton density [frame, y, x], as bright as before.

    As it is where there is no proton density. ``pixel`` [m].
    """
    if len(density) == 0:
        return series
    smooth = blur(density.mean(0)[None], WIDE / pixel)[0]
    top = torch.quantile(smooth.flatten(), 0.95)
    level = smooth.clamp(min=FLOOR * float(top))
    return series * (level.median() / level)


def steadied(series: torch.Tensor, displacement: torch.Tensor, slope: tuple[float, float]) -> torch.Tensor:
    """Registered frames [..., frame, y, x] as bright as the coils would have them in the common geometry.

    ``displacement`` [frame, (y, x), y, x]: where in its frame each pixel lay, from there [pixel]. The coils
    stay where they are when the heart moves; 8 mm towards a surface coil are 4 % of signal.
    """
    along = slope[0] * displacement[:, 0] + slope[1] * displacement[:, 1]
    return series * torch.exp(-along)


def slope(density: torch.Tensor, middle: tuple[float, float], pixel: float) -> tuple[float, float]:
    """How the logarithm of the shading grows along y and x [1 / pixel] near a point (y, x) [pixel].

    By the plane through the logarithm of proton density [frame, y, x] that most of the tissue there lies
    near; 0 without proton density. ``pixel`` [m].
    """
    if len(density) == 0:
        return 0.0, 0.0
    mean = density.mean(0).double()
    y = torch.arange(mean.shape[0], dtype=torch.float64)[:, None] - middle[0]
    x = torch.arange(mean.shape[1], dtype=torch.float64) - middle[1]
    near = torch.exp(-(y.square() + x.square()) * (pixel / REACH) ** 2 / 2)
    top = torch.quantile(mean[near > 0.6], 0.75) if bool((near > 0.6).any()) else mean.max()
    held = (mean > 0.3 * top) & (near > 0.01)
    if int(held.sum()) < 12 or float(top) <= 0:
        return 0.0, 0.0
    ones = torch.ones_like(mean)
    plane = torch.stack([ones, y * ones, x * ones], -1)[held]
    value, weight = mean[held].log(), near[held]
    found = torch.tensor([float(value.median()), 0.0, 0.0], dtype=torch.float64)
    for _ in range(8):
        like = 1 / (1 + ((value - plane @ found) / UNLIKE).square()) ** 2
        scaled = plane * (weight * like)[:, None]
        found = torch.linalg.solve(scaled.mT @ plane, scaled.mT @ value)
    return float(found[1]), float(found[2])
