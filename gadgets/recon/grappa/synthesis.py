"""Filling k-space: the missing lines by the kernel, over x, where its convolution is a product."""

import torch

from gadgets.recon.grappa.kernel import Kernel
from gadgets.recon.grappa.lattice import Lattice


def fill(data: torch.Tensor, weights: torch.Tensor, kernel: Kernel, lattice: Lattice) -> torch.Tensor:
    """All lines that the lattice keeps or makes, complex64 [k2, x, coil, k1].

    ``data`` is over x, complex64 [coil, k2, k1, x]; ``weights`` are ``kernel.over_x``. Acquired lines beyond
    the edge count as zero.
    """
    planes = [_plane(data[:, k2], weights, kernel, lattice, k2) for k2 in range(data.shape[1])]
    return planes[0].unsqueeze(0) if len(planes) == 1 else torch.stack(planes)


def _plane(
    data: torch.Tensor, weights: torch.Tensor, kernel: Kernel, lattice: Lattice, k2: int
) -> torch.Tensor:
    coils, size, points = data.shape
    step, used = lattice.acceleration, weights.shape[1]
    gaps = len(lattice.lines) + 1
    acquired = data.new_zeros((points, coils, gaps + used - 1))
    start = 1 - kernel.sources[0]
    turned = data.permute(2, 0, 1).contiguous()
    acquired[..., start : start + gaps - 1] = turned[..., lattice.offset :: step]
    made = _missing(acquired, weights, gaps)
    full = data.new_empty((points, coils, gaps, step))
    full[..., 1:] = made.reshape(points, step - 1, coils, gaps).permute(0, 2, 3, 1)
    begin = step - lattice.offset
    lines = full.flatten(2)[..., begin : begin + size]
    lines.masked_fill_(~lattice.made[k2], 0)
    return torch.where(lattice.kept[k2], turned, lines)


def _missing(acquired: torch.Tensor, weights: torch.Tensor, gaps: int) -> torch.Tensor:
    """The lines in each gap, [x, missing line and coil, gap]."""
    products = weights.flatten(2, 3)
    out = products[:, 0] @ acquired[..., :gaps]
    for line in range(1, products.shape[1]):
        out.baddbmm_(products[:, line], acquired[..., line : line + gaps])
    return out
