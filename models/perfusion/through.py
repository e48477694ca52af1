"""What a breath through the slice shows within it: the heart's section grows or shrinks.

The heart narrows from base to apex, and a breath moves it through the plane as well as along it. Near the
apex 5 mm through the plane change the ring of muscle by a tenth and more, and no translation lays one on the
other.
"""

import torch

from models.perfusion.patterns import explained
from models.perfusion.resample import blur, warp
from models.perfusion.rigid import newton
from models.perfusion.trajectory import hann

PATTERNS = 4
"""Of the series, besides its mean: contrast has no more that are strong, and what grows is left."""

LEAST = 1.0
"""Way of a breath [pixel] within the slice; of a smaller one nothing is known."""

MOST = 0.3
"""Growth from one end of the breath to the other at which something else was found: it counts as none."""

TRIED = 7
"""Growths from ``MOST`` to its opposite, first."""

HALVED = 4
"""Times that the best one's neighbours are tried then, each time half as far away."""

WORTH = 0.02
"""Of what the patterns do not explain: growth must take away as much."""

SOFT = 0.7
"""Blur of the frames that the growth is sought in [pixel]: of single pixels noise has the most. At a
contrast-to-noise ratio of 12 the growth is with it what it is at 25 without (0.100 and 0.100, 0.050 and 0.044
of two apices; 0.081 and 0.069 on sharp frames). Whether it is worth it sharp frames say: on soft ones
contrast that comes with a breath is."""

PASSES = 3
"""To find again where each frame lies with its growth."""


def grown(series: torch.Tensor, shifts: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Where in a frame each pixel of the common geometry lies, from there [pixel], [frame, (y, x), y, x].

    ``series`` [frame, y, x], where each frame lies by ``shifts`` [frame, (y, x)] [pixel], and which frames
    are ``known`` to show the same heart, bool [frame]: the others have no say. Growth about the middle of the
    image is proportional to how far the heart is on its way: one number for the series, which is that with
    which the fewest patterns remain (the least energy beside the strongest ones). The contrast of single
    frames cannot be mistaken for it. Without a way, or where growth takes next to nothing away, each frame's
    displacement is its shift. Of a heart that lies beside the middle less is found (half, 10 pixels off it).
    """
    begin, way = still(shifts, series), _way(shifts, known)
    length = float(way.max() - way.min())
    if length < LEAST or int(known.sum()) <= 3 * PATTERNS:
        return begin
    places = way[:, None, None, None] / length * _places(series)
    growth = _least(series[known], begin[known], places[known])
    if growth == 0:
        return begin
    weight, moved = _middle(series), begin + growth * places
    for _ in range(PASSES):
        frames = warp(series, moved)
        moved = moved + newton(explained(frames, weight), frames, weight).clamp(-1, 1)[:, :, None, None]
    return moved


def still(shifts: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
    """Displacements of frames as shifts [frame, (y, x)] have them, nothing else, [frame, (y, x), y, x]."""
    return shifts[:, :, None, None].expand(-1, -1, *series.shape[1:]).clone()


def _least(series: torch.Tensor, begin: torch.Tensor, places: torch.Tensor) -> float:
    """The growth of which the least is left, 0 if it is not worth it; frames lie as ``begin`` has them, and
    grow about the middle by so much of ``places``."""
    weight, step = _middle(series), 2 * MOST / (TRIED - 1)
    soft = blur(series, SOFT)

    def left(growth: float, frames: torch.Tensor = soft) -> float:
        return _unexplained(warp(frames, begin + growth * places), weight)

    tried = {growth: left(growth) for growth in ((n - TRIED // 2) * step for n in range(TRIED))}
    for _ in range(HALVED):
        best = min(tried, key=lambda growth: tried[growth])
        step /= 2
        for growth in (best - step, best + step):
            if abs(growth) <= MOST:
                tried[growth] = left(growth)
    best = min(tried, key=lambda growth: tried[growth])
    found = abs(best) < MOST and left(best, series) <= (1 - WORTH) * left(0.0, series)
    return best if found else 0.0


def _way(shifts: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """How far each frame is along the way of the breath, from the median [pixel], [frame]; the known ones
    say what the way is, and no frame is farther than nearly all of them."""
    away = shifts - shifts[known].median(0).values if bool(known.any()) else shifts
    axis = torch.linalg.eigh((away[known].mT @ away[known]).double())[1][:, -1].to(away.dtype)
    way: torch.Tensor = away @ axis
    low, high = torch.quantile(way[known], torch.tensor([0.02, 0.98])).tolist() if len(way[known]) else (0, 0)
    return way.clamp(low, high)


def _places(series: torch.Tensor) -> torch.Tensor:
    """Each pixel's place from the middle of the image [pixel], [(y, x), y, x]."""
    height, width = series.shape[1:]
    y, x = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    return torch.stack([y[:, None].expand(height, width), x.expand(height, width)])


def _middle(series: torch.Tensor) -> torch.Tensor:
    """A weight of the image's middle third or so, [y, x]: the heart, not what lies about it."""
    height, width = series.shape[1:]
    weight: torch.Tensor = hann(height).square()[:, None] * hann(width).square()
    return weight


def _unexplained(frames: torch.Tensor, weight: torch.Tensor) -> float:
    """The energy of the frames beside their mean and their strongest patterns."""
    flat = (frames * weight.sqrt()).flatten(1)
    away = flat - flat.mean(0)
    values = torch.linalg.eigvalsh((away @ away.mT).double())
    return float(values[:-PATTERNS].clamp(min=0).sum())
