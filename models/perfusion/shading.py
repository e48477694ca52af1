"""The coils' shading taken out of a first pass: what lies near a coil is no blood because it is bright."""

import torch

from models.perfusion.motion import blur

WIDE = 0.012
"""Blur of the proton-density images [m]: coils vary over more than that, organs over less."""

FLOOR = 0.03
"""Of the bright end of proton density: what is darker counts as this bright."""


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
