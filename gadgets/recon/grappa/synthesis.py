"""Filling k-space: the missing lines by the kernel, over x, where its convolution is a product."""

from collections.abc import Mapping

import torch

from gadgets.arrays import PIECE, to_image, turn_to_image
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
    out = data.new_empty((planes, points, coils, size))
    for start in range(0, points, step):
        some = slice(start, start + step)
        lines = fill(data[..., some], tuple(one[some] for one in weights), kernel, lattice)
        if planes == 1:
            turn_to_image(lines, scale, out[:, some])
        else:
            out[:, some] = to_image(lines, (-4, -1), scale)
    return out.permute(2, 0, 3, 1)


def fill(
    data: torch.Tensor, weights: tuple[torch.Tensor, ...], kernel: Kernel, lattice: Lattice
) -> torch.Tensor:
    """All lines that the lattice keeps or makes, complex64 [k2, x, coil, k1].

    ``data`` is over x, complex64 [coil, k2, k1, x]; ``weights`` are ``kernel.over_x``. Acquired lines beyond
    the edge count as zero.
    """
    coils, planes, size, points = data.shape
    acquired = _acquired(data, kernel, lattice)
    out = data.new_zeros((planes, points, coils, size))
    for group, weight in zip(kernel.groups, weights, strict=True):
        products = weight.flatten(2, 3)
        for k2 in range(-lattice.steps.k2 + 1, planes):
            if (k2 - lattice.start[0]) % lattice.steps.k2 == 0:
                _cells(out, acquired, products, group, lattice, k2)
    for k2, plane in enumerate(out):
        _keep(plane, data[:, k2], acquired.get(k2), lattice, k2)
    return out


def _keep(
    plane: torch.Tensor, data: torch.Tensor, acquired: torch.Tensor | None, lattice: Lattice, k2: int
) -> None:
    """Write the lines of a plane that stay as acquired, and clear those that are neither kept nor made.

    Only these are touched: most of the lattice's lines lie turned already, and passes over all lines cost
    more than the kernel's products.
    """
    kept, made = lattice.kept[k2], lattice.made[k2]
    alone = kept.clone()
    first = lattice.steps.first(k2, lattice.start)
    if acquired is not None and first is not None:
        regular = slice(first, None, lattice.steps.k1)
        lines = plane[..., regular]
        pad = _pad(acquired.shape[-1], lines.shape[-1])
        lines.copy_(acquired[..., pad : pad + lines.shape[-1]])
        alone[regular] = False
    copied, cleared = (torch.nonzero(chosen)[:, 0] for chosen in (alone, ~kept & ~made))
    if len(copied):
        plane.index_copy_(-1, copied, data[:, copied].permute(2, 0, 1))
    if len(cleared):
        plane.index_fill_(-1, cleared, 0)


def _padding(kernel: Kernel) -> int:
    """Lines of the lattice beyond the matrix that a source may be."""
    reach = max(max(abs(one) for place in group.box for one in place) for group in kernel.groups)
    return 2 * (reach // kernel.steps.k1) + 4


def _pad(size: int, count: int) -> int:
    """Zeros before ``count`` lines that were padded to ``size``."""
    return (size - count - 1) // 2


def _acquired(data: torch.Tensor, kernel: Kernel, lattice: Lattice) -> Mapping[int, torch.Tensor]:
    """By k2, the lattice's lines of a plane, complex64 [x, coil, line], with zeros before and behind them."""
    pad, step = _padding(kernel), lattice.steps.k1
    coils, count, _, points = data.shape
    planes = {}
    for k2 in range(count):
        first = lattice.steps.first(k2, lattice.start)
        if first is not None:
            lines = data[:, k2, first::step].contiguous()  # from line to line are powers of 2: slow to turn
            size = lines.shape[1]
            planes[k2] = data.new_zeros((points, coils, size + 2 * pad + 1))
            planes[k2][..., pad : pad + size] = lines.permute(2, 0, 1)
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
    start = (place[1] - first) // step + _pad(lines.shape[-1], count)
    return lines[..., start : start + cells]


def _lay(plane: torch.Tensor, lines: torch.Tensor, first: int, step: int) -> None:
    """Write every ``step``-th line of a plane [x, coil, k1] from ``first`` on, which may lie before it."""
    skip = -(-max(0, -first) // step)
    target = plane[..., first + skip * step :: step]
    target.copy_(lines[..., skip : skip + target.shape[-1]])
