"""L1-SPIRiT: consistent coil images with few wavelet coefficients, in one frame or in several together."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gadgets.recon.sparse.wavelet import Wavelet
from gadgets.recon.spirit.solve import Consistency


@dataclass(frozen=True, kw_only=True)
class Sparsity:
    """What is shrunk: coefficients of space, and what changes from frame to frame."""

    wavelet: Wavelet
    temporal: float
    """Threshold of what changes from frame to frame, relative to that of space."""

    def shrink(self, images: torch.Tensor, threshold: float, generator: torch.Generator) -> torch.Tensor:
        """Series, complex64 [coil, frame, z, y, x], with fewer coefficients, common to all coils.

        Haar's wavelets along time, of one level, and the wavelet along y and x; both lie elsewhere each time.
        Means of two frames keep their coarse band, differences do not; an odd frame stands alone.
        """
        count = images.shape[1]
        first = int(torch.randint(0, 2, (), generator=generator)) if count > 1 else 0
        at = torch.randint(0, 2**self.wavelet.levels, (2,), generator=generator).tolist()
        last = count - (count - first) % 2
        even, odd = images[:, first:last:2], images[:, first + 1 : last : 2]
        alone = torch.cat([images[:, :first], images[:, last:]], 1)
        means = torch.cat([(even + odd) * math.sqrt(0.5), alone], 1)
        means = self.wavelet.shrink(means, threshold, (at[0], at[1]), joint=True)
        changes = (even - odd) * math.sqrt(0.5)
        if changes.shape[1]:
            bound = threshold * self.temporal
            changes = self.wavelet.shrink(changes, bound, (at[0], at[1]), joint=True, coarse=True)
        common, alone = means[:, : even.shape[1]], means[:, even.shape[1] :]
        found = torch.empty_like(images)
        found[:, first:last:2] = (common + changes) * math.sqrt(0.5)
        found[:, first + 1 : last : 2] = (common - changes) * math.sqrt(0.5)
        found[:, :first], found[:, last:] = alone[:, :first], alone[:, first:]
        return found


def sparse(
    ways: Sequence[Consistency],
    images: torch.Tensor,
    sparsity: Sparsity,
    threshold: float,
    iterations: int,
) -> torch.Tensor:
    """Series of fewer coefficients for consistent ones, complex64 [coil, frame, z, y, x].

    Each frame has its own missing lines; the acquired ones stay.
    """
    bound = max(way.agreement.bound for way in ways)
    generator = torch.Generator().manual_seed(0)

    def each(step: Callable[[Consistency, torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        return torch.stack([step(way, one) for way, one in zip(ways, images.unbind(1), strict=True)], 1)

    acquired = images - each(Consistency.made, images)
    for _ in range(iterations):
        moved = images - each(Consistency.inconsistency, images) / bound
        shrunk = sparsity.shrink(moved, threshold / bound, generator)
        images = acquired + each(Consistency.made, shrunk)
    return images
