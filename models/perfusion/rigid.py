"""The translation of each frame of a series, from coarse to fine."""

import torch

STEPS = ((2.0, 4, 8), (1.0, 5, 20))
"""Blur [pixel], patterns in the model, and passes, one after the other.

Patterns take up a part of what moves, so that each pass finds only a part of what is left of a large breath.
"""

MOST = 16.0
"""Translations beyond this are none [pixel]."""


def shifts(series: torch.Tensor) -> torch.Tensor:
    """Where each frame [frame, y, x] shows what the common geometry has, from there [pixel], [frame, (y, x)].

    Gauss and Newton on the squared difference to a low-rank model, which each pass makes again; the middle of
    the image counts most. What changes over time counts as all else, though the model is in doubt there: it
    is the heart, while what never changes is the chest wall, which does not breathe with it. The median over
    the frames is 0.
    """
    from models.perfusion.motion import blur, low_rank, warp

    count, height, width = series.shape
    found = torch.zeros(count, 2)
    weight = _window(height)[:, None] * _window(width)
    for sd, rank, passes in STEPS:
        smooth = blur(series, sd)
        for _ in range(passes):
            moved = warp(smooth, found[:, :, None, None].expand(-1, -1, height, width))
            model = low_rank(moved, rank)
            found = found + _newton(model, moved, weight).clamp(-3, 3)
            found = (found - found.median(0).values).clamp(-MOST, MOST)
    return found


def _window(size: int) -> torch.Tensor:
    return torch.hann_window(size + 2, periodic=False)[1:-1]


def _newton(model: torch.Tensor, moved: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The step of each frame towards its model, [frame, (y, x)]."""
    slope = torch.stack(torch.gradient((model + moved) / 2, dim=(1, 2)), 1)
    normal = torch.einsum("fayx,fbyx,yx->fab", slope, slope, weight)
    right = torch.einsum("fayx,fyx,yx->fa", slope, model - moved, weight)
    floor = 1e-3 * normal.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * torch.eye(2) + 1e-12 * torch.eye(2)
    step: torch.Tensor = torch.linalg.solve(normal + floor, right)
    return step
