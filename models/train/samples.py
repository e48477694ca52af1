"""One training sample: a random object, coils, lines and noise, and what a scanner would make of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from models.inputs import signal, tikhonov, trained, two_channels
from models.operator import Coils, Proximal, conjugate_gradients, dft, proximal
from models.train.coils import estimate, low_resolution, random_coils, support
from models.train.fields import Grid, Random, contour, fractal, smooth, soft, window
from models.train.images import FAMILIES, HELD_OUT, Family
from models.train.lesions import add_lesions
from models.train.masks import Pattern, random_pattern
from models.train.pictures import other_photograph, photograph

SHARE = {"head": 0.3, "torso": 0.15, "leaves": 0.15, "tissues": 0.15, "photograph": 0.25}
"""How often each family trains."""

RICH = {"head": 0.15, "torso": 0.05, "textures": 0.4, "photograph": 0.4}
"""The same of rich samples: fine textures, small lesions and much signal."""

ORDINARY = 60.0, 150.0
"""Peak SNR of ordinary scans of all lines."""

FINE = 2
"""Objects are drawn so many times finer than the scan's pixels, and cut off in k-space."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What the network gets and what it should give; images in units of the signal's scale."""

    linear: torch.Tensor
    """The Tikhonov images of the signal and of the noise alone, float32 [2, 2, y, x]."""

    adjoint: torch.Tensor
    """A^H y of the signal and of the noise alone, float32 [2, 2, y, x]."""

    target: torch.Tensor
    """The scan of all lines without noise, combined with the same maps, float32 [2, y, x]."""

    kept: float
    """How much of the measured lines' noise the target has too (``kept``)."""

    exact: Proximal
    """The exact step of data consistency."""

    sd: torch.Tensor
    """float32 [1, y, x]."""

    maps: torch.Tensor
    """complex64 [coil, y, x]."""

    weights: torch.Tensor
    """Of the lines, float32 [k1]."""

    scale: float
    """Of the signal, in SNR units."""

    tags: Mapping[str, str | float]
    """What was drawn."""


def families() -> dict[str, Family]:
    """All families by name."""
    return {**FAMILIES, **HELD_OUT, "photograph": photograph, "other photograph": other_photograph}


def kept(peak: float) -> float:
    """The part of a scan's noise that a scan of all lines by the same scanner would have shown too.

    Who measures all lines gets an ordinary scan, of a peak SNR within ``ORDINARY`` (log-uniform), noise and
    all. A scan of peak SNR ``peak`` has the noise of an ordinary one and more; of its noise, the best guess
    of the ordinary one's is that part of the variance, its mean over ordinary scans.
    """
    low, high = ORDINARY
    inside = min(max(peak, low), high)
    certain = math.log(inside / low)
    partly = peak**2 * (inside**-2 - high**-2) / 2
    return min((certain + partly) / math.log(high / low), 1.0)


def draw(
    random: Random,
    shape: tuple[int, int],
    family: str | None = None,
    snr: float | None = None,
    *,
    rich: bool = False,
) -> Sample:
    """A sample of ``shape`` (y, x), of a random training family, at a random peak SNR where none is given."""
    shares = RICH if rich else SHARE
    name = family or str(random.choice(list(shares), p=list(shares.values())))
    clean, coils = subject(random, shape, name, lesions=rich)
    peak = snr or math.exp(random.uniform(math.log(30 if rich else 6), math.log(150)))
    clean = clean * (peak * math.sqrt(2))
    return observe(random, clean, coils, random_pattern(random, shape[0]), {"family": name, "snr": peak})


def subject(
    random: Random, shape: tuple[int, int], family: str, *, lesions: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coil images without noise and coils, complex64 [coil, y, x]; the root sum of squares has the peak 1."""
    grid, image = seen(random, shape, family)
    if lesions:
        image = add_lesions(random, image)
    coarse = Grid(y=_pairs(grid.y.flatten())[:, None], x=_pairs(grid.x.flatten())[None])
    coils = random_coils(random, coarse)
    clean = coils * image
    return clean / float(clean.abs().square().sum(0).sqrt().amax().clamp(min=1e-6)), coils


def observe(
    random: Random,
    images: torch.Tensor,
    coils: torch.Tensor | None,
    pattern: Pattern,
    tags: Mapping[str, str | float],
) -> Sample:
    """The sample that a scan of coil images [coil, y, x] in SNR units makes with a pattern of lines."""
    size = images.shape[-2]
    noise = torch.from_numpy(random.standard_normal((*images.shape, 2), dtype="float32"))
    parts = torch.stack([dft(size) @ images, torch.view_as_complex(noise)])
    parts = parts * (pattern.weights > 0)[:, None]
    kspace = parts.sum(0)
    maps = _maps(random, kspace, coils, images, pattern)[None]
    low = torch.linalg.vecdot(maps, low_resolution(kspace, pattern.reference, taper=False)[None], dim=1)
    scale = max(signal(low, maps), 1.0)
    sets = Coils.of(maps)
    normal, weight = sets.normal(pattern.weights), tikhonov(scale)
    peak = float(images.abs().square().sum(0).sqrt().amax()) / math.sqrt(2)
    adjoint = torch.cat([sets.adjoint(part, pattern.weights) for part in parts])
    return Sample(
        linear=_channels(_solve(normal, adjoint, weight) / scale),
        adjoint=_channels(adjoint / scale),
        target=two_channels(sets.combine(images)[0] / scale),
        kept=kept(peak),
        exact=proximal(normal, trained(scale)),
        sd=_sd(normal, weight)[None] / scale,
        maps=maps[0],
        weights=pattern.weights,
        scale=scale,
        tags={**tags, "acceleration": pattern.acceleration, "kind": pattern.kind},
    )


def _maps(
    random: Random, kspace: torch.Tensor, coils: torch.Tensor | None, images: torch.Tensor, pattern: Pattern
) -> torch.Tensor:
    """Estimated maps, or now and then the true ones."""
    threshold = random.choice((0.0, random.uniform(0.02, 0.12)))
    if coils is None or random.random() < 0.75:
        return estimate(low_resolution(kspace, pattern.reference), threshold, int(random.integers(1, 4)))
    unit: torch.Tensor = coils / torch.linalg.vector_norm(coils, dim=0)
    return unit * support(torch.linalg.vector_norm(images, dim=0), threshold)


def seen(random: Random, shape: tuple[int, int], name: str) -> tuple[Grid, torch.Tensor]:
    """A window of an object that has something in it, and the object there."""
    while True:
        grid = window(random, FINE * shape[0], FINE * shape[1])
        fine = families()[name](random, grid)
        image = _object(
            random, grid, fine, masked=name in ("leaves", "tissues", "textures") or "photo" in name
        )
        magnitude = image.abs()
        if float((magnitude > 0.2 * magnitude.amax() + 1e-3).float().mean()) > 0.1:
            return grid, image


def _object(random: Random, grid: Grid, magnitude: torch.Tensor, *, masked: bool) -> torch.Tensor:
    """A complex object on the scan's pixels: outline, shading and phase added, resolution cut, [y, x]."""
    if masked and random.random() < 0.6:
        radii = random.uniform(0.5, 0.95), random.uniform(0.5, 0.95)
        outline = contour(random, grid, (random.normal(0, 0.05), random.normal(0, 0.3)), radii, 0.05)
        magnitude = magnitude * soft(outline - 1, 0.02)
    rough = random.uniform(0, 0.4)
    magnitude = magnitude * torch.exp(rough * smooth(random, grid.shape, 0.4 * grid.shape[0]))
    turns = random.uniform(0, 2.5) * smooth(random, grid.shape, random.uniform(0.15, 0.6) * grid.shape[0])
    turns = turns + random.uniform(0, 0.15) * fractal(random, grid.shape, 8, 60, 0.5)
    image = torch.polar(magnitude, turns)
    return _decimate(_truncate(image, grid.shape[0] // FINE))


def _truncate(image: torch.Tensor, lines: int) -> torch.Tensor:
    """Along y the image of the middle ``lines`` of k-space: with its ringing, as scans have it."""
    fine = len(image)
    middle = slice(fine // 2 - lines // 2, fine // 2 - lines // 2 + lines)
    return dft(lines).mH @ (dft(fine)[middle] @ image) / math.sqrt(fine / lines)


def _decimate(image: torch.Tensor) -> torch.Tensor:
    """Along x every second point behind a low-pass filter of 17 points (Lanczos' window)."""
    place = (torch.arange(17) - 8) / FINE
    kernel = torch.sinc(place) * torch.sinc(place / 4.5)
    kernel = (kernel / kernel.sum())[None, None]
    rows = torch.view_as_real(image).permute(2, 0, 1).flatten(0, 1)[:, None]
    padded = torch.nn.functional.pad(rows, (8, 8), mode="replicate")
    out = torch.nn.functional.conv1d(padded, kernel, stride=FINE)[:, 0].reshape(2, len(image), -1)
    return torch.complex(out[0], out[1])


def _pairs(axis: torch.Tensor) -> torch.Tensor:
    return axis.reshape(-1, FINE).mean(1)


def _solve(normal: torch.Tensor, adjoint: torch.Tensor, weight: float) -> torch.Tensor:
    """The Tikhonov images [part, y, x] by conjugate gradients, cheaper than the inverse."""

    def apply(images: torch.Tensor) -> torch.Tensor:
        return normal @ images + weight * images

    right = adjoint.permute(2, 1, 0).contiguous()
    found = conjugate_gradients(apply, right, torch.zeros_like(right), 40, 3e-4)
    return found.permute(2, 1, 0)


def _channels(images: torch.Tensor) -> torch.Tensor:
    return torch.stack([two_channels(image) for image in images])


def _sd(normal: torch.Tensor, weight: float, step: int = 4) -> torch.Tensor:
    """The noise map from every ``step``-th column: it changes as slowly as the coils do, float32 [y, x]."""
    coarse = proximal(normal[::step], weight).sd()
    return torch.nn.functional.interpolate(
        coarse[None], size=(coarse.shape[1], len(normal)), mode="bilinear", align_corners=False
    )[0, 0]
