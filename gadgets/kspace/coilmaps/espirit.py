"""ESPIRiT: coil maps as eigenvectors of the operator that reference lines leave as they are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gadgets.arrays import root_sum_of_squares
from gadgets.errors import DataError
from gadgets.kspace.coilmaps.eigen import deflate, iterate, normalized, square, strongest

STEP = 4
"""Distance of the points where the power method begins; between them its start is interpolated."""

SQUARINGS = 5
"""On the coarse points: as good as 2^5 steps of the power method."""

REFINEMENTS = 4
"""Steps of the power method at every pixel, from the interpolated start."""

SETTLED = 1e-4
"""A vector that a step turns by less [rad] is an eigenvector."""

LIKELY = 0.9
"""Eigenvalues this near to the crop may still pass it."""

MORE_SQUARINGS = 10
"""Where two eigenvalues are nearly equal; there are few such points."""

SECOND = 24
"""Steps for further maps, which are not smooth where they are not needed, so that nothing is interpolated."""

MOST_VALUES = 1 << 20
"""How many complex values are worked on at a time."""

LARGEST_KERNEL = 4096
"""Coils times points of the kernel."""

KERNEL, THRESHOLD, CROP = 6, 0.04, 0.8
"""What is used where nothing else is asked for: see ``EstimateCoilMaps``."""

Shape = tuple[int, int, int]
"""(z, y, x), or of k-space (k2, k1, k0)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """G(r), the operator's Hermitian matrix at each pixel; its eigenvalues lie between 0 and 1.

    The patches of k-space that the reference lines hold span a subspace. W projects patches on it; averaged
    over all patches that a sample lies in, W becomes a convolution, and over the image a product with G(r) =
    sum_l g[l] exp(-2 pi i l r / n), g[l] = mean over the patch of W between samples at distance l. With a
    kernel of k points only 2 k - 1 distances occur along each axis: the g's are all that there is.
    (Uecker et al., MRM 71:990, 2014, equations 15 to 25.)
    """

    lags: torch.Tensor
    """g, complex64 [column coil, row coil, l2, l1, l0]."""

    def at(self, shape: Shape, step: int = 1) -> Iterator[torch.Tensor]:
        """G in every plane at every ``step``-th y and x, some rows at a time, [column, row, y, x]."""
        steps = (1, step, step)
        waves = [_waves(*each) for each in zip(self.lags.shape[2:], shape, steps, strict=True)]
        over_x = self.lags @ waves[2].T
        coils, points = len(self.lags), over_x.shape[-1]
        rows = max(1, MOST_VALUES // (coils * coils * points))
        for plane in waves[0]:
            flat = torch.einsum("z,crzyx->cryx", plane, over_x)
            for start in range(0, len(waves[1]), rows):
                yield waves[1][start : start + rows] @ flat


def espirit(
    lines: torch.Tensor,
    shape: Shape,
    *,
    maps: int = 1,
    kernel: int = KERNEL,
    threshold: float = THRESHOLD,
    noise: float = 0.0,
    crop: float = CROP,
) -> torch.Tensor:
    """Coil maps, complex64 [map, coil, z, y, x], 0 where the eigenvalue is below ``crop``.

    ``lines`` is a gapless part of k-space, complex64 [coil, k2, k1, k0]; where it lies does not matter.
    Singular values of its patches count as noise below ``threshold`` times the greatest, and below what noise
    alone would give whose real and imaginary parts have the sd ``noise``. The phase is that of
    the virtual coil which dominates the reference lines. Raises DataError for fewer lines than the kernel's.
    """
    field = calibrate(lines, kernel, threshold, noise)
    reference = _dominant(lines)
    start = coarse(field, shape, reference)
    pieces: list[list[torch.Tensor]] = [[] for _ in range(maps)]
    row = 0
    for part in field.at(shape):
        height = part.shape[2]
        begin = start[:, row : row + height].flatten(1)
        for index, one in enumerate(_maps(part.flatten(2), begin, reference, maps, crop)):
            pieces[index].append(one.reshape(part.shape[1:]))
        row += height
    return torch.stack([torch.cat(one, 1).reshape(-1, *shape) for one in pieces])


def calibrate(lines: torch.Tensor, kernel: int, threshold: float, noise: float = 0.0) -> Field:
    """The field of some reference lines, complex64 [coil, k2, k1, k0].

    Along an axis with fewer than 2 kernel - 1 lines the kernel is smaller: a sample in the middle has to take
    every place in it, else even the true maps have no eigenvalue of 1.

    Raises DataError where an axis with more than one line has fewer than the kernel, or the kernel is too
    large for so many coils.
    """
    _check(lines, tuple(1 if points == 1 else kernel for points in lines.shape[1:]))
    size = tuple(min(kernel, (points + 1) // 2) for points in lines.shape[1:])
    patches = lines
    for axis, points in enumerate(size):
        patches = patches.unfold(1 + axis, points, 1)
    rows = patches.permute(1, 2, 3, 0, 4, 5, 6).reshape(-1, len(lines) * math.prod(size))
    values, vectors = torch.linalg.eigh(rows.T @ rows.conj())
    edge = math.sqrt(2) * noise * (math.sqrt(rows.shape[0]) + math.sqrt(rows.shape[1]))
    signal = vectors[:, values > max(threshold**2 * float(values[-1]), edge**2)]
    return Field(lags=_lags(signal @ signal.mH, len(lines), size))


def _check(lines: torch.Tensor, size: tuple[int, ...]) -> None:
    if any(points < least for points, least in zip(lines.shape[1:], size, strict=True)):
        raise DataError(
            f"ESPIRiT needs at least {max(size)} reference lines and samples for its kernel of {max(size)}, "
            f"got {' x '.join(map(str, lines.shape[1:]))} (k2, k1, k0)"
        )
    if len(lines) * math.prod(size) > LARGEST_KERNEL:
        raise DataError(
            f"an ESPIRiT kernel of {' x '.join(map(str, size))} points for {len(lines)} coils is too large: "
            f"at most {LARGEST_KERNEL} values; choose a smaller one or compress the coils"
        )


def _lags(projection: torch.Tensor, coils: int, size: tuple[int, ...]) -> torch.Tensor:
    """g[l] from W, [column, row, l2, l1, l0]: the mean over the patch of W between samples l apart."""
    matrix = projection.reshape(coils, *size, coils, *size).permute(4, 5, 6, 7, 0, 1, 2, 3)
    out = projection.new_zeros((coils, coils, *(2 * points - 1 for points in size)))
    for k2 in range(size[0]):
        for k1 in range(size[1]):
            for k0 in range(size[2]):
                target = out
                for axis, (index, points) in enumerate(zip((k2, k1, k0), size, strict=True)):
                    target = target.narrow(2 + axis, points - 1 - index, points)
                target += matrix[..., k2, k1, k0].permute(0, 4, 1, 2, 3)
    return out / math.prod(size)


def _waves(lags: int, size: int, step: int) -> torch.Tensor:
    """exp(-2 pi i l (r - n // 2) / n), complex64 [r, l], at every ``step``-th r."""
    r = torch.arange(0, size, step, dtype=torch.float64) - size // 2
    angle = -2 * math.pi / size * torch.outer(r, torch.arange(lags, dtype=torch.float64) - lags // 2)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def _dominant(lines: torch.Tensor) -> torch.Tensor:
    """The coil combination that holds most of the energy, its greatest part real, complex64 [coil]."""
    flat = lines.flatten(1)
    vectors: torch.Tensor = torch.linalg.eigh(flat @ flat.mH).eigenvectors
    vector = vectors[:, -1]
    return vector * torch.exp(-1j * vector[vector.abs().argmax()].angle())


def coarse(field: Field, shape: Shape, reference: torch.Tensor) -> torch.Tensor:
    """Dominant eigenvectors nearly right, complex64 [coil, z and y, x], by interpolation."""
    found = []
    for part in field.at(shape, STEP):
        vectors = aligned(strongest(square(part.flatten(2), SQUARINGS)), reference)
        found.append(normalized(vectors).reshape(part.shape[1:]))
    points = torch.cat(found, 1)
    points = points.reshape(len(points), shape[0], -1, points.shape[-1])
    return _stretch(_stretch(points, -2, shape[1]), -1, shape[2]).flatten(1, 2)


def _stretch(array: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Linear interpolation between every ``STEP``-th of ``size`` points along an axis (negative)."""
    place = torch.arange(size, dtype=torch.float32) / STEP
    first = place.long()
    part = (place - first).reshape([-1] + [1] * (-1 - axis)).to(array.dtype)
    after = (first + 1).clamp(max=array.shape[axis] - 1)
    return torch.lerp(array.index_select(axis, first), array.index_select(axis, after), part)


def aligned(vectors: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The vectors, [coil, point], with the phase at which their part along ``reference`` is real."""
    along = (vectors * reference[:, None].conj()).sum(0)
    return vectors * torch.polar(torch.ones_like(along.real), -along.angle())


def _settled(field: torch.Tensor, start: torch.Tensor, crop: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvectors and eigenvalues; where the last step still turned a vector, by squaring the matrix."""
    before, _ = iterate(field, start, REFINEMENTS - 1)
    vectors, values = iterate(field, before, 1)
    turned = root_sum_of_squares(vectors - before) > SETTLED
    late = torch.nonzero(turned & (values > LIKELY * crop))[:, 0]
    if len(late):
        chosen = field[:, :, late].contiguous()
        vectors[:, late], values[late] = iterate(chosen, strongest(square(chosen, MORE_SQUARINGS)), 1)
    return vectors, values


def _maps(
    field: torch.Tensor, start: torch.Tensor, reference: torch.Tensor, maps: int, crop: float
) -> Iterator[torch.Tensor]:
    """The maps over some points, [coil, point] each, strongest first."""
    vectors, values = _settled(field, start, crop)
    for index in range(maps):
        if index:
            field = deflate(field, vectors, values)
            vectors, values = iterate(field, strongest(field), SECOND)
        yield torch.where(values >= crop, aligned(vectors, reference), 0)
