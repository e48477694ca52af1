"""What linear steps behind a reconstruction do, as if they had acted on its coil images' k-space."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A weight for each point of k-space, and the places at which the image is looked at.

    Filters, zero-filling, cropping and partial Fourier weights are such steps. A sample (k2, k1, k0) of a
    coil adds weights[k] exp(2 pi i k r / n) / sqrt(n) to the pixel at r, for each axis of n points.
    """

    weights: torch.Tensor | None = None
    """float64, broadcastable to [kz, ky, kx], the k-space of the coil image; None: all are 1."""

    pixels: tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None] = (None, None, None)
    """float64, along (z, y, x): in pixels of the coil image from its centre n // 2; None: its own pixels."""

    def places(self, axis: int, size: int) -> torch.Tensor:
        """The places along an axis (negative) of a coil image that has ``size`` pixels there."""
        given = self.pixels[axis]
        return torch.arange(size, dtype=torch.float64) - size // 2 if given is None else given

    def over(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The weights over a whole k-space, float64 [kz, ky, kx]."""
        weights = torch.ones((), dtype=torch.float64) if self.weights is None else self.weights
        return weights.expand(shape)

    @property
    def along_x(self) -> bool:
        """Whether the weights vary along kx."""
        return self.weights is not None and self.weights.shape[-1] > 1


PLAIN = View()
"""The image as it was reconstructed."""
