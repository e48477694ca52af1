"""Frames that do not show the heart as the others do: another slice of it, another phase, an ectopic beat.

No registration within the slice mends them.
"""

import torch

from models.perfusion.resample import blur
from models.perfusion.trajectory import BAND, hann

AWAY = 2.0
"""Farther from where the heart is most often, a frame is not at home [pixel]."""

RUN = 5
"""Frames that follow each other, and may all be strays: they must not vouch for each other. Whichever of so
many a frame may stand in are left out, since without these fewer patterns are contrast, and what no others
explain counts."""

PATTERNS = 6
"""Images that the others' structure is described by: contrast has few degrees of freedom."""


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
    if int(home.sum()) <= 2 * PATTERNS:
        return left.to(series.dtype)
    for frame in range(len(series)):
        runs = [range(first, first + RUN) for first in range(max(0, frame - RUN + 1), frame + 1)]
        for run in (range(frame, frame + 1), *runs):
            others = home.clone()
            others[run.start : run.stop] = False
            if int(others.sum()) > PATTERNS:
                left[frame] = max(float(left[frame]), _unexplained(gram, frame, others))
    return left.to(series.dtype)


def _unexplained(gram: torch.Tensor, frame: int, others: torch.Tensor) -> float:
    """By the strongest patterns of the others, from the products of all frames with each other."""
    values, vectors = torch.linalg.eigh(gram[others][:, others])
    keep = values > 1e-9 * values[-1].clamp(min=1e-30)
    keep[:-PATTERNS] = False
    along = (gram[frame, others] @ vectors[:, keep]).square() / values[keep]
    own = gram[frame, frame].clamp(min=1e-30)
    return float((1 - along.sum() / own).clamp(0, 1).sqrt())
