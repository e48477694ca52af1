"""What an unrolled network is fed, in training as on a scanner: it follows from maps, lines and data."""

import math

import torch

PRIOR = 8.0
"""The linear image's Tikhonov weight is this over the signal's power in SNR units ..."""

LEAST, MOST = 0.001, 0.15
"""... within these bounds."""


TRUST = 600.0
"""Behind a network of gradient steps an exact one follows, in which its image has the weight 600 / signal^2:
it errs by a part of the signal, the data by their noise. Chosen on held-out simulated families."""

EXACT = 60.0
"""Networks of exact steps are trained through them; there their image has the weight 60 / signal^1.5."""


def signal(low: torch.Tensor, maps: torch.Tensor) -> float:
    """The robust scale of the signal: the rms of an image over the maps' support, in the image's unit.

    ``low``: the image of the reference lines, complex64 [map, y, x]; ``maps`` [map, coil, y, x].
    """
    support = maps[0].abs().amax(0) > 0
    power = low.abs().square().sum(0)[support]
    return float(power.mean().sqrt()) if len(power) else 0.0


def tikhonov(scale: float) -> float:
    """The weight of the linear image for a signal of ``scale`` in SNR units."""
    return min(max(PRIOR / max(scale, 1e-6) ** 2, LEAST), MOST)


def consistency(scale: float) -> float:
    """The weight of the image in the exact step behind a network of gradient steps."""
    return min(max(TRUST / max(scale, 1e-6) ** 2, LEAST), 100.0)


def trained(scale: float) -> float:
    """The weight of the image in the exact steps inside of a network."""
    power = max(scale, 1e-6) * math.sqrt(max(scale, 1e-6))
    return min(max(EXACT / power, 0.02), 20.0)


def two_channels(image: torch.Tensor) -> torch.Tensor:
    """float32 [2, y, x] of complex64 [y, x]."""
    return torch.stack([image.real, image.imag])
