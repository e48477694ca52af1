"""The noise of a GRAPPA image: exact, from the linear map that made it."""

import math
from dataclasses import dataclass

import torch

from gadgets.recon.grappa.kernel import Kernel
from gadgets.recon.grappa.lattice import Lattice

MOST_VALUES = 1 << 21
"""How many complex values are worked on at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GrappaNoise:
    """Knows what each acquired line adds to each pixel, directly and through the lines made from it.

    A line s adds to pixel y the sum over the shifts d that it serves of exp(i theta d) S_d(y), where theta =
    2 pi (y - n // 2) / n and S_d is the combination applied to the kernel's weights for shift d (the identity
    for d = 0, the line itself). With B[d, d'] = sum_s var_s [s serves d][s serves d'] the variance of the
    pixel is sum_dd' B[d, d'] conj(S_d) S_d' exp(i theta (d' - d)), summed over the coils; one small matrix B
    holds the whole pattern, put-back lines and edges included.
    """

    kernel: Kernel
    lattice: Lattice
    scale: float
    """The image's scale, beyond the unitary transform."""

    readout: float = 1.0
    """Fraction of the readout that was sampled."""

    def sd(self, weights: torch.Tensor) -> torch.Tensor:
        """Noise sd of sum_c weights[c] image[c]; weights [coil, z, y, x], the answer [z, y, x]."""
        over_x = self.kernel.over_x(weights.shape[-1]).permute(0, 3, 1, 2, 4).flatten(2)
        return torch.stack([self._plane(weights[:, z], over_x) for z in range(weights.shape[1])])

    def _plane(self, weights: torch.Tensor, over_x: torch.Tensor) -> torch.Tensor:
        """The map of one plane, worked on by columns: the products of all lines y share one factor."""
        coils, height, width = weights.shape
        shifts, mix = self._mix(height)
        turned = weights.permute(2, 1, 0).contiguous()
        step = max(1, MOST_VALUES // (height * coils * len(shifts)))
        out = weights.new_empty((width, height), dtype=torch.float32)
        for start in range(0, width, step):
            columns = turned[start : start + step]
            count = len(columns)
            served = weights.new_empty((height, len(shifts), count, coils))
            served[:, 0] = columns.transpose(0, 1)
            made = (columns @ over_x[start : start + step]).reshape(count, height, len(shifts) - 1, coils)
            served[:, 1:] = made.permute(1, 2, 0, 3)
            adds = torch.view_as_real(mix @ served.flatten(2)).square_()
            out[start : start + step] = adds.reshape(height, mix.shape[1], count, -1).sum((1, 3)).T
        return out.sqrt_().T * (self.scale * math.sqrt(self.readout / self.lattice.source.numel()))

    def _mix(self, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The shifts d, and F^T exp(i theta d), complex64 [y, rank, shift]."""
        shifts, factor = self._pattern()
        y = torch.arange(height, dtype=torch.float64) - height // 2
        angle = 2 * math.pi / height * torch.outer(y, shifts)
        mix = factor.T * torch.polar(torch.ones_like(angle), angle)[:, None, :]
        return shifts, mix.to(torch.complex64)

    def _pattern(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The shifts d, 0 first, and a factor F of B = F F^T, [shift, rank]; float64."""
        step, (first, last) = self.lattice.acceleration, self.kernel.sources
        served = [self.lattice.kept]
        shifts = [0]
        for line in range(first, last + 1):
            for missing in range(1, step):
                shifts.append(missing - line * step)
                served.append(self.lattice.source & _shifted(self.lattice.made, shifts[-1]))
        masks = torch.stack(served).flatten(1).to(torch.float64)
        values, vectors = torch.linalg.eigh(masks * self.lattice.variance.flatten() @ masks.T)
        chosen = values > 1e-9 * values[-1]
        return torch.tensor(shifts, dtype=torch.float64), vectors[:, chosen] * values[chosen].sqrt()


def _shifted(made: torch.Tensor, shift: int) -> torch.Tensor:
    """Whether the line ``shift`` further on is made, bool [k2, k1]."""
    out = torch.zeros_like(made)
    size = made.shape[1]
    out[:, max(0, -shift) : size - max(0, shift)] = made[:, max(0, shift) : size - max(0, -shift)]
    return out
