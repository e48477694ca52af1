"""The noise of a GRAPPA image: exact, from the linear map that made it."""

import math
from dataclasses import dataclass

import torch

from gadgets.recon.grappa.kernel import Kernel
from gadgets.recon.grappa.lattice import Lattice, shifted
from gadgets.recon.grappa.steps import Place
from gadgets.recon.sampling import sampled_part
from gadgets.recon.view import PLAIN, View

MOST_VALUES = 1 << 19
"""How many complex values are worked on at a time."""

SMALLEST = 1e-7
"""Parts of the pattern that hold less of its variance, relative to the greatest, are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GrappaNoise:
    """Knows what each acquired line adds to each pixel, directly and through the lines made from it.

    A line s adds to pixel y the sum over the shifts d that it serves of exp(i theta d) S_d(y), where theta =
    2 pi (y - n // 2) / n (in 3D a sum over both axes) and S_d is the combination applied to the kernel's
    weights for shift d (the identity for d = 0, the line itself). With B[d, d'] = sum_s var_s [s serves d]
    [s serves d'] the variance of the pixel is sum_dd' B[d, d'] conj(S_d) S_d' exp(i theta (d' - d)), summed
    over the coils; one small matrix B holds the whole pattern, put-back lines and edges included.
    """

    kernel: Kernel
    lattice: Lattice
    scale: float
    """The image's scale, beyond the unitary transform."""

    points: int
    """Points of the readout as GRAPPA saw it, sampled or not."""

    readout: tuple[float, float] = (-1.0, 1.0)
    """From where to where of it was sampled, in halves of it from the centre."""

    def sd(self, weights: torch.Tensor, view: View = PLAIN) -> torch.Tensor:
        """Noise sd of sum_c weights[c] image[c]; weights [coil, z, y, x], the answer [z, y, x].

        With weights H over k-space a line s adds H(s + d) exp(i theta d) S_d. Where they vary along k0, too,
        the kernel's shifts along k0 count like those along k1.
        """
        terms = self._terms(view)
        depths = view.places(-3, self.lattice.source.shape[0])
        return torch.stack(
            [self._plane(weights[:, z], view, terms, float(depths[z])) for z in range(weights.shape[1])]
        )

    def _plane(self, weights: torch.Tensor, view: View, terms: "Terms", depth: float) -> torch.Tensor:
        """The map of one plane, worked on by columns: the products of all lines y share one factor."""
        coils, height, width = weights.shape
        mix = self._mix(depth, view.places(-2, self.lattice.source.shape[1]), terms)
        places = view.places(-1, self.points)
        turned = weights.permute(2, 1, 0).contiguous()
        count = len(terms.shifts)
        step = max(1, MOST_VALUES // (height * coils * count))
        out = weights.new_empty((width, height), dtype=torch.float32)
        for start in range(0, width, step):
            columns = turned[start : start + step]
            kernel = terms.kernel(self.kernel, places[start : start + step], self.points)
            served = weights.new_empty((height, count, len(columns), coils))
            served[:, 0] = columns.transpose(0, 1)
            made = (columns @ kernel).reshape(len(columns), height, count - 1, coils)
            served[:, 1:] = made.permute(1, 2, 0, 3)
            adds = torch.view_as_real(mix @ served.flatten(2)).square_()
            out[start : start + step] = adds.reshape(height, mix.shape[1], len(columns), -1).sum((1, 3)).T
        return out.sqrt_().T * (self.scale / math.sqrt(self.lattice.source.numel()))

    def _mix(self, depth: float, places: torch.Tensor, terms: "Terms") -> torch.Tensor:
        """F^T exp(i theta d) at one z, complex64 [y, rank, term]."""
        planes, size = self.lattice.source.shape
        angle = 2 * math.pi * (torch.outer(places, terms.shifts[:, 1]) / size)
        angle += 2 * math.pi * depth / planes * terms.shifts[:, 0]
        mix = terms.factor.T * torch.polar(torch.ones_like(angle), angle)[:, None, :]
        return mix.to(torch.complex64)

    def _served(self) -> list[tuple[Place, torch.Tensor]]:
        """Each shift (k2, k1), group by group, and the lines that it serves, bool [k2, k1]."""
        lines, found = self.lattice, []
        for group in self.kernel.groups:
            made = {target: self._made(target) for target in group.targets}
            for target in group.targets:
                for source in group.sources:
                    shift = (target[0] - source[0], target[1] - source[1])
                    back = shifted(made[target], (-shift[0], -shift[1]))
                    found.append((shift, lines.source & back))
        return found

    def _made(self, target: Place) -> torch.Tensor:
        """The lines made that lie in one place of the unit cell, bool [k2, k1]."""
        made, start = self.lattice.made, self.lattice.start
        place = (start[0] + target[0], start[1] + target[1])
        return made & self.kernel.steps.mask((made.shape[0], made.shape[1]), place)

    def _terms(self, view: View) -> "Terms":
        """The shifts, 0 first, and a factor of their matrix B, the weights of the view in it."""
        lags = list(self.kernel.lags) if view.along_x else None
        once = self._served()
        served = [((0, 0), 0, self.lattice.kept)]
        for lag in lags or [0]:
            served += [(shift, lag, mask) for shift, mask in once]
        part = sampled_part(self.points, *self.readout).to(torch.float64)
        power = part if lags else part.mean(0, keepdim=True)
        planes, size = self.lattice.source.shape
        over = view.over((planes, size, self.points if lags else 1))
        matrix = torch.zeros(len(served), len(served), dtype=torch.float64)
        for k2 in range(planes):
            adds = self.lattice.variance[k2, :, None] * power
            rows = torch.stack(
                [
                    mask[k2, :, None] * over[(k2 + shift[0]) % planes].roll((-shift[1], lag), (0, 1))
                    for shift, lag, mask in served
                ]
            ).flatten(1)
            matrix += (rows * adds.flatten()) @ rows.T
        values, vectors = torch.linalg.eigh(matrix / len(power))
        chosen = values > SMALLEST * values[-1]
        return Terms(
            shifts=torch.tensor([shift for shift, _, _ in served], dtype=torch.float64),
            factor=vectors[:, chosen] * values[chosen].sqrt(),
            lags=lags,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """The ways in which a sample adds to a pixel: itself, and through the samples that are made from it."""

    shifts: torch.Tensor
    """float64, [term, 2]: along k2 and k1."""

    factor: torch.Tensor
    """F of B = F F^T, float64 [term, rank]."""

    lags: list[int] | None
    """Those along k0 that are terms of their own, slowest; None: the kernel's sum over them is one."""

    def kernel(self, kernel: Kernel, places: torch.Tensor, points: int) -> torch.Tensor:
        """The kernel at some places of the readout, complex64 [x, coil made, term and coil used]."""
        parts = []
        for part in kernel.by_lag(places, points) if self.lags else kernel.at(places, points):
            each = part if self.lags else part.unsqueeze(1)
            parts.append(each.permute(0, 4, 1, 3, 2, 5).flatten(3, 4))
        return torch.cat([part.flatten(3) for part in parts], 3).flatten(2)
