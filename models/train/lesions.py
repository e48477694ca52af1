"""Small lesions: discs of any sign that training images get, so that what is small is not taken for noise."""

import math

import torch

from models.train.fields import Random


def add_lesions(random: Random, image: torch.Tensor) -> torch.Tensor:
    """A complex image [y, x] with up to 24 discs, 0.7 to 4 pixels in radius, of 0.03 to 0.4 of its peak."""
    height, width = image.shape
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    peak = float(image.abs().amax())
    inside = (image.abs() > 0.1 * peak).nonzero()
    total = torch.zeros(image.shape)
    for _ in range(int(random.integers(0, 25)) if len(inside) else 0):
        row, column = inside[int(random.integers(len(inside)))].tolist()
        radius = math.exp(random.uniform(math.log(0.7), math.log(4)))
        contrast = math.exp(random.uniform(math.log(0.03), math.log(0.4))) * random.choice((-1, 1))
        far = torch.hypot(y - row - random.uniform(-0.5, 0.5), x - column - random.uniform(-0.5, 0.5))
        total += contrast * (radius + 0.5 - far).clamp(0, 1)
    size = image.abs()
    changed = (size + peak * total).clamp(min=0)
    return image * changed / size.clamp(min=1e-6 * max(peak, 1e-6))
