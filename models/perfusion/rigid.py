"""The translation of each frame of a series, from coarse to fine."""

import torch

from models.perfusion.trajectory import hann, trajectory

STEPS = ((2.0, 4, 4), (1.0, 5, 10))
"""Blur [pixel], patterns in the model, and passes, one after the other."""

LONGER = 2
"""Times as many passes when the frames begin where they were acquired.

Patterns take up a part of what moves, so that each pass finds only a part of what is left of a large breath.
"""

MOST = 24.0
"""Translations beyond this are none [pixel]."""


def shifts(series: torch.Tensor) -> torch.Tensor:
    """Where each frame [frame, y, x] shows what the common geometry has, from there [pixel], [frame, (y, x)].

    Gauss and Newton on the squared difference to a low-rank model, which each pass makes again; the middle of
    the image counts most. What changes over time counts as all else, though the model is in doubt there: it
    is the heart, while what never changes is the chest wall, which does not breathe with it. It begins where
    nothing moves and at the trajectory of frames compared two by two; what the model explains better is
    taken. The median over the frames is 0.
    """
    count, height, width = series.shape
    weight = hann(height)[:, None] * hann(width)
    starts = ((torch.zeros(count, 2), LONGER), (trajectory(series), 1))
    ends = [_followed(series, start, weight, longer) for start, longer in starts]
    found, _ = min(ends, key=lambda end: end[1])
    return found


def _followed(
    series: torch.Tensor, found: torch.Tensor, weight: torch.Tensor, longer: int
) -> tuple[torch.Tensor, float]:
    """From a start to its end, and what the model does not explain there."""
    from models.perfusion.motion import blur, low_rank, warp

    wide = (-1, -1, *series.shape[1:])
    found = found.clamp(-MOST, MOST)
    for sd, rank, passes in STEPS:
        smooth = blur(series, sd)
        for _ in range(passes * longer):
            moved = warp(smooth, found[:, :, None, None].expand(wide))
            found = found + _newton(low_rank(moved, rank), moved, weight).clamp(-3, 3)
            found = (found - found.median(0).values).clamp(-MOST, MOST)
    moved = warp(smooth, found[:, :, None, None].expand(wide))
    return found, float(((low_rank(moved, rank) - moved).square() * weight).sum())


def _newton(model: torch.Tensor, moved: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The step of each frame towards its model, [frame, (y, x)]."""
    slope = torch.stack(torch.gradient((model + moved) / 2, dim=(1, 2)), 1)
    normal = torch.einsum("fayx,fbyx,yx->fab", slope, slope, weight)
    right = torch.einsum("fayx,fyx,yx->fa", slope, model - moved, weight)
    floor = 1e-3 * normal.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * torch.eye(2) + 1e-12 * torch.eye(2)
    step: torch.Tensor = torch.linalg.solve(normal + floor, right)
    return step
