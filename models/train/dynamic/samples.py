"""One training series: a pseudo-video, coils, noise and a few lines of each frame, as a scanner has them."""

import math
from dataclasses import dataclass

import torch

from models.inputs import signal, two_channels
from models.operator import Coils, dft
from models.sharing import completed
from models.train.coils import estimate, low_resolution, random_coils
from models.train.dynamic.masks import random_pattern
from models.train.fields import Grid, Random
from models.train.lesions import add_lesions
from models.train.samples import FINE, seen
from models.train.videos import events, video

SHARE = {"head": 0.2, "torso": 0.3, "leaves": 0.1, "tissues": 0.1, "textures": 0.1, "photograph": 0.2}
"""How often each family trains."""

SNR = 10.0, 120.0
"""Peak SNR, log-uniform."""

REFERENCE = 24
"""Lines in the centre that the maps are estimated from, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """What the network gets and what it should give; images in units of the signal's scale."""

    start: torch.Tensor
    """The view-shared images of the signal and of the noise alone, float32 [t, 2, 2, y, x]."""

    adjoint: torch.Tensor
    """A^H y of the signal and of the noise alone, float32 [t, 2, 2, y, x]."""

    target: torch.Tensor
    """The frames of all lines without noise, combined with the same maps, float32 [t, 2, y, x]."""

    maps: torch.Tensor
    """complex64 [coil, y, x]."""

    sampled: torch.Tensor
    """bool [t, k1]."""

    scale: float
    """Of the signal, in SNR units."""


def draw(
    random: Random, shape: tuple[int, int, int], family: str | None = None, snr: float | None = None
) -> Series:
    """A series of ``shape`` (t, y, x), of a random training family, at a random peak SNR by default."""
    frames, height, width = shape
    name = family or str(random.choice(list(SHARE), p=list(SHARE.values())))
    grid, still = seen(random, (height, width), name)
    if random.random() < 0.3:
        still = add_lesions(random, still)
    moving = video(random, still, frames, beats=random.uniform(0.4, 2.5))
    if random.random() < 0.4:
        moving = events(random, moving)
    coils = random_coils(random, _coarse(grid))
    peak = snr or math.exp(random.uniform(math.log(SNR[0]), math.log(SNR[1])))
    images = coils * moving[:, None]
    images = images * (peak * math.sqrt(2) / images.abs().square().sum(1).sqrt().amax().clamp(min=1e-6))
    return observe(random, images, random_pattern(random, height, frames))


def observe(random: Random, images: torch.Tensor, sampled: torch.Tensor) -> Series:
    """The series that a scan of coil images [t, coil, y, x] in SNR units makes with lines [t, k1]."""
    noise = torch.from_numpy(random.standard_normal((*images.shape, 2), dtype="float32"))
    parts = [dft(images.shape[-2]) @ images, torch.view_as_complex(noise)]
    signals, noises = (part * sampled[:, None, :, None] for part in parts)
    counts = sampled.sum(0)
    mean = (signals + noises).sum(0) / counts.clamp(min=1)[:, None]
    reference = centre(counts > 0)
    low = low_resolution(mean, reference)
    maps = estimate(low, random.choice((0.0, random.uniform(0.02, 0.1))), int(random.integers(1, 4)))[None]
    plain = low_resolution(mean, reference, taper=False)
    scale = max(signal(torch.linalg.vecdot(maps, plain[None], dim=1), maps), 1.0)
    sets, back = Coils.of(maps), dft(images.shape[-2]).mH

    def combined(lines: torch.Tensor) -> torch.Tensor:
        return torch.stack([two_channels(sets.combine(back @ frame)[0]) for frame in lines]) / scale

    both = [(combined(completed(part, sampled)), combined(part)) for part in (signals, noises)]
    start, adjoint = (torch.stack(each, 1) for each in zip(*both, strict=True))
    target = torch.stack([two_channels(sets.combine(frame)[0]) for frame in images]) / scale
    return Series(start=start, adjoint=adjoint, target=target, maps=maps[0], sampled=sampled, scale=scale)


def centre(there: torch.Tensor) -> range:
    """The lines without a gap around the middle, at most ``REFERENCE``."""
    middle, half = len(there) // 2, REFERENCE // 2
    first, last = middle, middle
    while first > middle - half and there[first - 1]:
        first -= 1
    while last < middle + half and there[last]:
        last += 1
    return range(first, max(last, first + 1))


def _coarse(grid: Grid) -> Grid:
    def pairs(axis: torch.Tensor) -> torch.Tensor:
        return axis.reshape(-1, FINE).mean(1)

    return Grid(y=pairs(grid.y.flatten())[:, None], x=pairs(grid.x.flatten())[None])
