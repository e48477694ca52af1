"""A series as few patterns over time have it: contrast has few degrees of freedom."""

import torch

PATTERNS = 12
"""Of the other frames, that explain one."""

BESIDE = 1
"""Frames to each side of a frame that are none of the others: a breath may last as long."""


def low_rank(series: torch.Tensor, rank: int) -> torch.Tensor:
    """The series with nothing but its mean and ``rank`` patterns over time, shaped as it."""
    flat = series.flatten(1)
    mean = flat.mean(0)
    away = flat - mean
    values, vectors = torch.linalg.eigh(away @ away.mT)
    keep = vectors[:, values.argsort(descending=True)[:rank]]
    found: torch.Tensor = (mean + keep @ (keep.mT @ away)).reshape(series.shape)
    return found


def explained(series: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each frame as the strongest patterns of the others have it, without those beside it; ``weight`` [y, x].

    As many patterns as ``PATTERNS``, or as a third of the frames. Shaped as the series [frame, y, x].
    """
    flat, frame = series.flatten(1), torch.arange(len(series))
    others = ((frame[:, None] - frame).abs() > BESIDE).double()
    gram = ((flat * weight.flatten()) @ flat.mT).double()
    values, vectors = torch.linalg.eigh(gram * others[:, :, None] * others[:, None])
    rank = max(1, min(PATTERNS, len(series) // 3))
    values, vectors = values[:, -rank:], vectors[:, :, -rank:]
    there = values > 1e-9 * values[:, -1:].clamp(min=1e-30)
    along = torch.einsum("fnr,fn->fr", vectors, gram * others) / torch.where(there, values, torch.inf)
    shares = torch.einsum("fnr,fr->fn", vectors, along) * others
    return (shares.to(flat.dtype) @ flat).reshape(series.shape)
