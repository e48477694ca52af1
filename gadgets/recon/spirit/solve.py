"""The missing samples of all coils, by conjugate gradients."""

from dataclasses import dataclass
from functools import cached_property

import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.kspace.coilmaps.eigen import multiply
from gadgets.kspace.coilmaps.espirit import Field
from gadgets.recon.sense.gradients import conjugate


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """(G - I)^H (G - I) over the image, G the kernel. Coil images are [coil, z, y, x]."""

    field: Field
    shape: tuple[int, int, int]
    """(z, y, x)."""

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

    def inconsistency(self, images: torch.Tensor) -> torch.Tensor:
        """(G - I)^H (G - I) x."""
        return multiply(self.planes, images.flatten(1)).reshape(images.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Consistency:
    """Agreement with the kernel, of images of which some lines were acquired and the others may be made."""

    agreement: Agreement
    missing: torch.Tensor
    """bool, [k2, k1]: lines to be made."""

    @property
    def axes(self) -> tuple[int, ...]:
        """Those along which lines are missing."""
        return (-3, -2) if self.agreement.shape[0] > 1 else (-2,)

    def inconsistency(self, images: torch.Tensor) -> torch.Tensor:
        """(G - I)^H (G - I) x."""
        return self.agreement.inconsistency(images)

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
