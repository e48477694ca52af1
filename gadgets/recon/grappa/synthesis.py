"""Filling k-space: the missing lines by the kernel, over x, where its convolution is a product."""

from collections.abc import Mapping

import torch

from gadgets.arrays import PIECE, to_image
from gadgets.recon.grappa.kernel import Kernel
from gadgets.recon.grappa.lattice import Lattice
from gadgets.recon.grappa.neighbours import Neighbours
from gadgets.recon.grappa.steps import Place


def coil_images(
    data: torch.Tensor, weights: tuple[torch.Tensor, ...], kernel: Kernel, lattice: Lattice, scale: float
) -> torch.Tensor:
    """Images of all coils times ``scale``, complex64 [coil, z, y, x], of lines over x as ``fill`` takes them.

    Some points of the readout at a time, so that all passes over them find them in the cache.
    """
    coils, planes, size, points = data.shape
    step = max(1, PIECE // (coils * planes * size))
    axes = (-1,) if planes == 1 else (-4, -1)
    out = data.new_empty((planes, points, coils, size))
    for start in range(0, points, step):
        some = slice(start, start + step)
        lines = fill(data[..., some], tuple(one[some] for one in weights), kernel, lattice)
        out[:, some] = to_image(lines, axes, scale)
    return out.permute(2, 0, 3, 1)


def fill(
    data: torch.Tensor, weights: tuple[torch.Tensor, ...], kernel: Kernel, lattice: Lattice
) -> torch.Tensor:
    """All lines that the lattice keeps or makes, complex64 [k2, x, coil, k1].

    ``data`` is over x, complex64 [coil, k2, k1, x]; ``weights`` are ``kernel.over_x``. Acquired lines beyond
    the edge count as zero.
    """
    turned = data.permute(1, 3, 0, 2).contiguous()
    acquired = _acquired(turned, kernel, lattice)
    out = torch.zeros_like(turned)
    for group, weight in zip(kernel.groups, weights, strict=True):
        products = weight.flatten(2, 3)
        for k2 in range(-lattice.steps.k2 + 1, len(turned)):
            if (k2 - lattice.start[0]) % lattice.steps.k2 == 0:
                _cells(out, acquired, products, group, lattice, k2)
    out.masked_fill_(~lattice.made[:, None, None], 0)
    return torch.where(lattice.kept[:, None, None], turned, out)


def _padding(kernel: Kernel) -> int:
    """Lines of the lattice beyond the matrix that a source may be."""
    reach = max(max(abs(one) for place in group.box for one in place) for group in kernel.groups)
    return 2 * (reach // kernel.steps.k1) + 4


def _acquired(turned: torch.Tensor, kernel: Kernel, lattice: Lattice) -> Mapping[int, torch.Tensor]:
    """By k2, the lattice's lines of a plane, complex64 [x, coil, line], with zeros before and behind them."""
    pad, step = _padding(kernel), lattice.steps.k1
    planes = {}
    for k2 in range(len(turned)):
        first = lattice.steps.first(k2, lattice.start)
        if first is not None:
            lines = turned[k2, :, :, first::step]
            planes[k2] = torch.nn.functional.pad(lines, (pad, pad + 1))
    return planes


def _cells(
    out: torch.Tensor,
    acquired: Mapping[int, torch.Tensor],
    products: torch.Tensor,
    group: Neighbours,
    lattice: Lattice,
    k2: int,
) -> None:
    """Make the lines of a group in all unit cells that begin in plane ``k2``."""
    _, points, coils, size = out.shape
    step = lattice.steps.k1
    first = lattice.steps.first(k2, lattice.start)
    assert first is not None
    before = max(step - 1, max(target[1] for target in group.targets))
    begin = first - step * -(-before // step)
    cells = -(-(size - begin) // step)
    made = out.new_zeros((points, products.shape[2], cells))
    for number, place in enumerate(group.sources):
        lines = _window(acquired, lattice, (k2 + place[0], begin + place[1]), cells)
        if lines is not None:
            made.baddbmm_(products[:, number], lines)
    for number, target in enumerate(group.targets):
        plane = k2 + target[0]
        if 0 <= plane < len(out):
            lines = made[:, number * coils : (number + 1) * coils]
            _lay(out[plane], lines, begin + target[1], step)


def _window(
    acquired: Mapping[int, torch.Tensor], lattice: Lattice, place: Place, cells: int
) -> torch.Tensor | None:
    """``cells`` lines of the lattice from one at (k2, k1) on; None where there is no plane."""
    lines = acquired.get(place[0])
    first = lattice.steps.first(place[0], lattice.start)
    if lines is None or first is None:
        return None
    step = lattice.steps.k1
    count = -(-(lattice.source.shape[1] - first) // step)
    pad = (lines.shape[-1] - count - 1) // 2
    start = (place[1] - first) // step + pad
    return lines[..., start : start + cells]


def _lay(plane: torch.Tensor, lines: torch.Tensor, first: int, step: int) -> None:
    """Write every ``step``-th line of a plane [x, coil, k1] from ``first`` on, which may lie before it."""
    skip = -(-max(0, -first) // step)
    target = plane[..., first + skip * step :: step]
    target.copy_(lines[..., skip : skip + target.shape[-1]])
