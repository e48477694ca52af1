"""How a scan samples a drawn slice: cut off in k-space, zero-filled, as magnitude; noise and ghosts."""

import math
from dataclasses import dataclass

import torch

from models.train.fields import Random

SUDDEN = 0.04
"""How often a moment has a ghost of its own: a breath or an early beat in one phase, not in the others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampling:
    """What all moments of a slice share."""

    fine: tuple[torch.Tensor, torch.Tensor]
    """From fine points to pixels along y and x, [pixel, point]."""

    own: tuple[torch.Tensor, torch.Tensor]
    """The same from pixels to pixels."""

    ghost: tuple[float, int, int]
    """Of which strength in the mean of moments without one of their own, how far away [pixel], along which
    axis."""

    noise: float
    """Standard deviation in each pixel."""

    def seen(self, image: torch.Tensor, random: Random) -> torch.Tensor:
        """A fine image [point, point] as magnitude with noise, [pixel, pixel]."""
        seen = self.fine[0] @ image @ self.fine[1].T
        strength, shift, axis = self.ghost
        strength *= random.uniform(0, 2)
        if random.random() < SUDDEN:
            strength = random.uniform(0.1, 0.4)
        if strength:
            seen = seen + strength * torch.roll(seen, shift, axis)
        noise = torch.from_numpy(random.standard_normal((2, *seen.shape), dtype="float32"))
        noise = self.noise * (self.own[0] @ noise @ self.own[1].T)
        return torch.hypot(seen + noise[0], noise[1])


def draw_sampling(random: Random, fine: int, size: int) -> Sampling:
    """A random scan of ``fine`` points for ``size`` pixels along each side; blood has a signal of 1."""
    kept = [round(size * random.uniform(0.55, 1.0)) for _ in range(2)]
    sd = math.exp(random.uniform(math.log(0.004), math.log(0.12)))
    ghost, taper = random.uniform(0.03, 0.15) if random.random() < 0.15 else 0.0, random.random() < 0.4
    return Sampling(
        fine=(_lowpass(fine, size, kept[0], taper), _lowpass(fine, size, kept[1], taper)),
        own=(_lowpass(size, size, kept[0], taper), _lowpass(size, size, kept[1], taper)),
        ghost=(ghost, round(size * random.uniform(0.2, 0.5)), int(random.integers(0, 2))),
        noise=sd * size / math.sqrt(kept[0] * kept[1]),
    )


def _lowpass(fine: int, size: int, kept: int, taper: bool) -> torch.Tensor:
    """From ``fine`` points to ``size`` pixels through ``kept`` samples of k-space, [size, fine]."""
    k = torch.arange(kept) - (kept - 1) / 2
    weight = torch.cos(math.pi * k / (kept + 1)) ** 0.7 if taper else torch.ones(kept)
    to = (torch.arange(size) + 0.5) / size
    come = (torch.arange(fine) + 0.5) / fine
    there, back = 2 * math.pi * to[:, None] * k, 2 * math.pi * come[:, None] * k
    whole = (there.cos() * weight) @ back.cos().T + (there.sin() * weight) @ back.sin().T
    return whole / fine
