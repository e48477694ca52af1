"""The translation of each frame of a series, from coarse to fine."""

import torch

from models.perfusion.patterns import explained, low_rank
from models.perfusion.resample import blur, warp
from models.perfusion.trajectory import hann, trajectory

STEPS = ((2.0, 4, 4), (1.0, 5, 10))
"""Blur [pixel], patterns in the model of all frames, and passes, one after the other."""

LONGER = 2
"""Times as many passes when the frames begin where they were acquired.

Patterns take up a part of what moves, so that each pass finds only a part of what is left of a large breath.
"""

LAST = 8
"""Passes with a model of the other frames alone."""

FARTHEST = 2.0
"""From where a frame was by all frames [pixel]: what the others lead it away from there is another heart, or
another part of it."""

FEWEST = 4
"""Frames: of fewer the others, without those beside, are none."""

MOST = 24.0
"""Translations beyond this are none [pixel]."""


def shifts(series: torch.Tensor) -> torch.Tensor:
    """Where each frame [frame, y, x] shows what the common geometry has, from there [pixel], [frame, (y, x)].

    Gauss and Newton on the squared difference to a low-rank model, which each pass makes again; the middle of
    the image counts most. What changes over time counts as all else, though the model is in doubt there: it
    is the heart, while what never changes is the chest wall, which does not breathe with it. It begins where
    nothing moves and at the trajectory of frames compared two by two; what few patterns of all frames explain
    better is taken: many explain a breath that is left as well as none. It ends with a model of the other
    frames alone: a frame of little contrast that lies elsewhere is soon a pattern of its own; but what goes
    farther than ``FARTHEST`` there is a stray and stays. The median over the frames is about 0; all are of
    fewer than ``FEWEST``.
    """
    count, height, width = series.shape
    if count < FEWEST:
        return torch.zeros(count, 2)
    weight = hann(height)[:, None] * hann(width)
    starts = ((torch.zeros(count, 2), LONGER), (trajectory(series).clamp(-MOST, MOST), 1))
    ends = [_followed(series, start, weight, longer) for start, longer in starts]
    found, _ = min(ends, key=lambda end: end[1])
    smooth = blur(series, STEPS[-1][0])
    ended = found
    for _ in range(LAST):
        moved = _moved(smooth, ended)
        ended = _stepped(ended, newton(explained(moved, weight), moved, weight))
    strays = (ended - found).norm(dim=1, keepdim=True) > FARTHEST
    return torch.where(strays, found, ended)


def _followed(
    series: torch.Tensor, found: torch.Tensor, weight: torch.Tensor, longer: int
) -> tuple[torch.Tensor, float]:
    """From a start to its end by models of all frames, and what these do not explain there."""
    for sd, rank, passes in STEPS:
        smooth = blur(series, sd)
        for _ in range(passes * longer):
            moved = _moved(smooth, found)
            found = _stepped(found, newton(low_rank(moved, rank), moved, weight))
    moved = _moved(smooth, found)
    return found, float(((low_rank(moved, rank) - moved).square() * weight).sum())


def _moved(series: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    return warp(series, found[:, :, None, None].expand(-1, -1, *series.shape[1:]))


def _stepped(found: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    found = found + step.clamp(-3, 3)
    return (found - found.median(0).values).clamp(-MOST, MOST)


def newton(model: torch.Tensor, moved: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The step of each frame towards its model, [frame, (y, x)]."""
    root = weight.sqrt()
    slope = (torch.stack(torch.gradient((model + moved) / 2, dim=(1, 2)), 1) * root).flatten(2)
    normal = slope @ slope.mT
    right = torch.einsum("fax,fx->fa", slope, ((model - moved) * root).flatten(1))
    floor = 1e-3 * normal.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * torch.eye(2) + 1e-12 * torch.eye(2)
    step: torch.Tensor = torch.linalg.solve(normal + floor, right)
    return step
