"""Linear steps act on an image, and what is said of its noise follows."""

from collections.abc import Callable
from dataclasses import replace

import torch

from gadgets.data import Image, ImageNoise
from gadgets.image.history import noted

NOISE_OF = "ScansideNoiseOf"
"""Name of what a g-factor, noise or SNR image is of, where that is not the image itself as it is sent."""

MAPS = ("gfactor", "noise", "snr")
"""The roles of images that are of another image's noise."""

Step = Callable[[torch.Tensor], torch.Tensor]
"""A linear step on the pixels of an image, complex64 [channel, z, y, x]."""

Following = Callable[[ImageNoise], ImageNoise]
"""What the step does to the noise."""


def step(item: Image, act: Step, follow: Following, name: str, *, of: str = "unfiltered") -> Image:
    """The item behind a linear step called ``name``: images are acted on, maps of the noise follow.

    A map that cannot follow stays, and its meta say that it is ``of`` another image. Reports pass.
    """
    if item.role in ("image", "linear"):
        return replace(item, data=act(item.data), meta=noted(item.meta, name), noise=None)
    if item.role not in MAPS:
        return item
    if item.noise is None:
        return item if NOISE_OF in item.meta else replace(item, meta={**item.meta, NOISE_OF: of})
    noise = follow(item.noise)
    sd = noise.sd
    if item.role == "snr":
        image = act(item.data * item.noise.sd)
        return replace(item, data=over(image, sd), noise=noise, meta=noted(item.meta, name))
    return replace(item, data=sd.unsqueeze(0), noise=noise, meta=noted(item.meta, name))


def over(image: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    """The image in units of its noise, 0 where that is 0."""
    return torch.where(sd > 0, image / sd, 0.0)
