"""The missing samples of all coils, by conjugate gradients; and with wavelets, by projected gradients."""

from dataclasses import dataclass
from functools import cached_property

import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.kspace.coilmaps.eigen import multiply
from gadgets.kspace.coilmaps.espirit import Field
from gadgets.recon.sense.gradients import conjugate
from gadgets.recon.sparse.wavelet import Wavelet


@dataclass(frozen=True, kw_only=True, eq=False)
class Consistency:
    """(G - I)^H (G - I) over the image, and which lines it may make. Coil images are [coil, z, y, x]."""

    field: Field
    shape: tuple[int, int, int]
    """(z, y, x)."""

    missing: torch.Tensor
    """bool, [k2, k1]: lines to be made."""

    @cached_property
    def planes(self) -> torch.Tensor:
        """The Hermitian matrix of each pixel, complex64 [column, row, pixel]."""
        parts = []
        for part in self.field.at(self.shape):
            flat = part.flatten(2)
            flat.diagonal(dim1=0, dim2=1).sub_(1)
            rows = flat.permute(2, 1, 0)
            parts.append((rows.mH @ rows).permute(2, 1, 0))
        return torch.cat(parts, 2)

    @cached_property
    def bound(self) -> float:
        """What no eigenvalue exceeds: the greatest sum of magnitudes in a column."""
        return float(self.planes.abs().sum(1).max())

    @property
    def axes(self) -> tuple[int, ...]:
        """Those along which lines are missing."""
        return (-3, -2) if self.shape[0] > 1 else (-2,)

    def inconsistency(self, images: torch.Tensor) -> torch.Tensor:
        """(G - I)^H (G - I) x."""
        return multiply(self.planes, images.flatten(1)).reshape(images.shape)

    def made(self, images: torch.Tensor) -> torch.Tensor:
        """The part of coil images that lies on missing lines."""
        return to_image(to_kspace(images, self.axes) * self.missing[..., None], self.axes)

    def solve(self, images: torch.Tensor, iterations: int, tolerance: float) -> torch.Tensor:
        """Coil images with the missing lines made, from those of the acquired lines alone.

        Minimises |(G - I) x|^2 over the missing lines; columns converge on their own.
        """
        right = -self.made(self.inconsistency(images))

        def apply(found: torch.Tensor) -> torch.Tensor:
            return self.made(self.inconsistency(found))

        return images + conjugate(apply, right, (0, 1, 2), iterations=iterations, tolerance=tolerance)

    def shrink(
        self, images: torch.Tensor, wavelet: Wavelet, threshold: float, iterations: int
    ) -> torch.Tensor:
        """Fewer wavelet coefficients, common to all coils, for consistent images; acquired lines stay."""
        acquired = images - self.made(images)
        generator = torch.Generator().manual_seed(0)
        for _ in range(iterations):
            moved = images - self.inconsistency(images) / self.bound
            at = torch.randint(0, 2**wavelet.levels, (2,), generator=generator).tolist()
            shrunk = wavelet.shrink(moved, threshold, (at[0], at[1]), joint=True)
            images = acquired + self.made(shrunk)
        return images
