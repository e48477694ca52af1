"""Frames that do not show the heart as the others do: another slice of it, another phase, an ectopic beat.

No registration within the slice mends them.
"""

import torch

from models.perfusion.trajectory import BAND, hann

AWAY = 2.0
"""Farther from where the heart is most often, a frame is not at home [pixel]."""

RUN = 4
"""Frames before and behind a frame that need not vouch for it: strays come in runs. Without these fewer
patterns are contrast, and a stray elsewhere is sooner one: a frame is judged with and without them."""

PATTERNS = 6
"""Images that the others' structure is described by: contrast has few degrees of freedom."""


def unlike(series: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Which part of a registered frame's structure the other frames cannot explain, 0 to 1, [frame].

    ``series`` [frame, y, x] is registered, by ``shifts`` [frame, (y, x)] [pixel]. Structure is what is left
    of the frame without its slow changes over the image, about the middle. The others are those where the
    heart is most often: frames of another held breath do not vouch for each other. 0 for all where there are
    too few to know.
    """
    from models.perfusion.motion import blur

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
        for run in (0, RUN):
            others = home.clone()
            others[max(frame - run, 0) : frame + run + 1] = False
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
