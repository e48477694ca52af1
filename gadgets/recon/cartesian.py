"""Cartesian reconstruction of arrays, without a stream: for those who try a method before it is a gadget.

k-space is complex64 [coil, k1, k0] or [coil, k2, k1, k0]; ``sampled`` says how many times each line, [k1] or
[k2, k1], or each sample, [k1, k0] or [k2, k1, k0], was acquired. A partition of a volume that is undersampled
along both of its axes is a plane whose samples are missing one by one. Images and maps are [map, z, y, x] and
[map, coil, z, y, x]. For thresholds and noise-aware maps to mean what they say, the noise of the real and of
the imaginary part has to have the sd 1, as after Prewhiten.
"""

import torch

from gadgets.arrays import to_image
from gadgets.errors import DataError
from gadgets.kspace.coilmaps.centre import FEWEST, box
from gadgets.kspace.coilmaps.espirit import CROP, KERNEL, THRESHOLD, espirit
from gadgets.recon.sense.encoding import Encoding, solve
from gadgets.recon.sparse.fista import ITERATIONS, Regularizer, sparse
from gadgets.recon.sparse.wavelet import LEVELS, WAVELET


def estimate_maps(
    kspace: torch.Tensor,
    sampled: torch.Tensor,
    *,
    maps: int = 1,
    kernel: int = KERNEL,
    threshold: float = THRESHOLD,
    noise: float = 0.0,
    crop: float = CROP,
) -> torch.Tensor:
    """ESPIRiT maps, complex64 [map, coil, z, y, x], from the gapless centre of k-space.

    Raises DataError when that is smaller than 12 lines (and samples).
    """
    lines, weights = _arranged(kspace, sampled)
    k2, k1, k0 = box(weights > 0)
    if len(k1) < FEWEST or len(k0) < FEWEST or len(k2) < min(lines.shape[1], FEWEST):
        found = f"{len(k2)} x {len(k1)} x {len(k0)} (k2, k1, k0)"
        raise DataError(f"the gapless centre of k-space has {found} samples, expected {FEWEST} at least")
    part = lines[:, k2.start : k2.stop, k1.start : k1.stop, k0.start : k0.stop]
    options = {"kernel": kernel, "maps": maps}
    return espirit(part, _shape(lines), threshold=threshold, noise=noise, crop=crop, **options)


def sense(
    kspace: torch.Tensor,
    maps: torch.Tensor,
    sampled: torch.Tensor,
    *,
    ridge: float = 0.0,
    power: torch.Tensor | None = None,
    iterations: int = 30,
    tolerance: float = 1e-5,
) -> torch.Tensor:
    """argmin |A x - y|_W^2 + ridge |x|^2 by conjugate gradients, complex64 [map, z, y, x].

    With ``power``, the expected |x|^2 [z, y, x], the second term is ridge 2 |x|^2 / power instead: with ridge
    = 1 and noise of sd 1 that is the most probable image if pixels are independent and Gaussian.
    """
    size = torch.ones(maps.shape[2:]) if power is None else (power / 2).sqrt()
    encoding, lines = encode(kspace, maps * size, sampled)
    right = encoding.adjoint(lines)
    found = solve(encoding, right, ridge, iterations=iterations, tolerance=tolerance)
    return encoding.unlay(found) * size


SMOOTHING = 5
"""Pixels along y and x over which ``expected_power`` takes the mean."""


def expected_power(kspace: torch.Tensor, maps: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor:
    """What |x|^2 is about, float32 [z, y, x], from the gapless centre of k-space combined by the maps."""
    lines, weights = _arranged(kspace, sampled)
    k2, k1, k0 = box(weights > 0)
    centre = torch.zeros_like(lines)
    inside = (slice(None), slice(k2.start, k2.stop), slice(k1.start, k1.stop), slice(k0.start, k0.stop))
    centre[inside] = lines[inside]
    images = (maps.conj() * to_image(centre, (-3, -2, -1))).sum(1)
    power = images.abs().square().sum(0)
    around = SMOOTHING // 2
    return torch.nn.functional.avg_pool2d(power, SMOOTHING, 1, around, count_include_pad=False)


def sparse_sense(
    kspace: torch.Tensor,
    maps: torch.Tensor,
    sampled: torch.Tensor,
    *,
    weight: float,
    regularizer: Regularizer = "wavelet",
    wavelet: str = WAVELET,
    levels: int = LEVELS,
    iterations: int = ITERATIONS,
) -> torch.Tensor:
    """The image of few wavelet coefficients or little variation, [map, z, y, x]; as IterativeSense."""
    encoding, lines = encode(kspace, maps, sampled)
    return sparse(
        encoding,
        lines,
        weight=weight,
        regularizer=regularizer,
        wavelet=wavelet,
        levels=levels,
        iterations=iterations,
    )


def encode(kspace: torch.Tensor, maps: torch.Tensor, sampled: torch.Tensor) -> tuple[Encoding, torch.Tensor]:
    """The operator, and the k-space as it takes it: over x where whole lines are missing."""
    lines, weights = _arranged(kspace, sampled)
    encoding = Encoding(maps=maps, weights=weights)
    return encoding, lines if -1 in encoding.axes else to_image(lines)


def _arranged(kspace: torch.Tensor, sampled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """k-space as [coil, k2, k1, k0] and weights as float32 [k2, k1, k0]."""
    lines = kspace if kspace.dim() == 4 else kspace.unsqueeze(1)
    size = kspace.shape[1:]
    weights = sampled if sampled.shape == size else sampled.unsqueeze(-1)
    if sampled.shape not in (size, size[:-1]):
        expected = f"{tuple(size)} (samples) or {tuple(size[:-1])} (lines)"
        raise DataError(f"sampled is {tuple(sampled.shape)}, expected {expected}")
    return lines, weights.float().expand(size).reshape(_shape(lines))


def _shape(lines: torch.Tensor) -> tuple[int, int, int]:
    depth, height, width = lines.shape[1:]
    return depth, height, width
