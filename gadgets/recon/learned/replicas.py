"""The noise of a learned image, measured: answers to the same data with fresh noise."""

from collections.abc import Callable

import torch

from gadgets.recon.learned.setting import Setting

Reconstruct = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The image [1, y, x] of A^H y and the linear image, both of that shape."""


def sd(setting: Setting, adjoint: torch.Tensor, reconstruct: Reconstruct, count: int) -> torch.Tensor:
    """Sd of ``count`` images (real part as imaginary part) with noise added to every line, float32 [y, x].

    The noise is that of the lines themselves, white in the coils, seed 0, on top of what the data have.
    """
    generator = torch.Generator().manual_seed(0)
    weights = setting.weights
    amplitude = torch.where(weights > 0, weights.clamp(min=1e-6).rsqrt(), 0.0)[:, None]
    lines, points = adjoint.shape[-2:]
    shape = (setting.coils.maps.shape[1], lines, points, 2)
    images = []
    for _ in range(count):
        noise = torch.view_as_complex(torch.randn(shape, generator=generator)) * amplitude
        noisy = adjoint + setting.coils.adjoint(noise, weights)
        images.append(reconstruct(noisy, setting.linear(noisy)))
    parts = torch.view_as_real(torch.stack(images))
    return parts.var(0).mean(-1).sqrt()[0]
