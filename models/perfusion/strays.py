"""Frames that do not show the heart as the others do: another slice of it, another phase, an ectopic beat.

No registration within the slice mends them.
"""

import torch

from models.perfusion.resample import blur
from models.perfusion.trajectory import BAND, hann

AWAY = 2.0
"""Farther from where the heart is most often, a frame is not at home [pixel]."""

STRAYS = 5
"""Frames that may be of the same other slice or phase, wherever they lie, or a tenth of those at home: they
must not vouch for each other. With a frame the others that vouch most for it are left out one by one, up to
so many, and what the rest does not explain counts. With every second heartbeat imaged, or a wide breath, five
may be all that there are before the bolus."""

PATTERNS = 12
"""Images that the others' structure is described by, or half as many as there are frames at home.

Each organ has its own time at which the bolus comes, and each stray is a pattern of its own. All of these are
stronger than what is seen before the bolus: by six, the baseline of a person was not explained, and with
strays anywhere that of most.
"""

FEWEST = 13
"""Frames at home; of fewer nothing is said."""


def unlike(series: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Which part of a registered frame's structure the other frames cannot explain, 0 to 1, [frame].

    ``series`` [frame, y, x] is registered, by ``shifts`` [frame, (y, x)] [pixel]. Structure is what is left
    of the frame without its slow changes over the image, about the middle. The others are those where the
    heart is most often: frames of another held breath do not vouch for each other. 0 for all where there are
    too few to know.
    """
    band = blur(series, BAND[0]) - blur(series, BAND[1])
    weight = hann(series.shape[1])[:, None] * hann(series.shape[2])
    seen = (band * weight).flatten(1).double()
    gram = seen @ seen.mT
    near = torch.cdist(shifts, shifts) < AWAY
    home = near[int(near.sum(1).argmax())]
    left = torch.zeros(len(series), dtype=torch.float64)
    count = int(home.sum())
    if count < FEWEST:
        return left.to(series.dtype)
    rank, strays = min(PATTERNS, count // 2), min(STRAYS, -(-count // 10))
    for frame in range(len(series)):
        others = home.clone()
        others[frame] = False
        for _ in range(min(strays, int(others.sum()) - rank)):
            unexplained, most = _unexplained(gram, frame, others, rank)
            left[frame] = max(float(left[frame]), unexplained)
            others[most] = False
    return left.to(series.dtype)


def _unexplained(gram: torch.Tensor, frame: int, others: torch.Tensor, rank: int) -> tuple[float, int]:
    """By the ``rank`` strongest patterns of the others, and which of these explains most of the rest.

    ``gram``: products of all frames with each other.
    """
    known = others.nonzero().flatten()
    values, vectors = torch.linalg.eigh(gram[known][:, known])
    values, vectors = values[-rank:], vectors[:, -rank:]
    there = values > 1e-9 * values[-1].clamp(min=1e-30)
    along = gram[frame, known] @ vectors
    weights = torch.where(there, along / values, 0.0)
    own = gram[frame, frame].clamp(min=1e-30)
    most = int((vectors @ weights * gram[frame, known]).argmax())
    return float((1 - along @ weights / own).clamp(0, 1).sqrt()), int(known[most])
