"""Coil maps: the relative sensitivity of each coil, from images of low resolution."""

import math

import torch

from gadgets.arrays import resize, root_sum_of_squares, to_image, to_kspace
from gadgets.data import Reference
from models.sums import energy

STEP = 2
"""Distance of the points where maps are computed; their images have no finer detail."""

WINDOW = (0.25, 1.0, 1.0, 1.0, 0.25)
"""How much of each coarse point a neighbourhood of 7 points of the image covers."""

ITERATIONS = 4
"""Of the power method. It converges where there is signal; elsewhere the maps only shape the noise."""

CENTRE = 32
"""How many lines in the centre of k-space make coil maps where there are no reference lines."""

MOST_VALUES = 1 << 21
"""How many complex values are worked on at a time."""


def expand(maps: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Coarse maps at every point of an image of ``shape`` (y, x), complex64 [coil, z, y, x]."""
    full = interpolate(interpolate(maps, -2, shape[0]), -1, shape[1])
    return full.div_(root_sum_of_squares(full))


def from_reference(reference: Reference) -> torch.Tensor:
    """Coarse maps from reference lines, complex64 [coil, z, y, x]."""
    lines = to_kspace(reference.data) if reference.transformed else reference.data
    (k2, k1), shape = reference.first, reference.shape
    size2, size1 = lines.shape[-3:-1]
    after = (shape[0] - k2 - size2, shape[1] - k1 - size1)
    full = torch.nn.functional.pad(lines, (0, 0, k1, after[1], k2, after[0]))
    half = max(shape[1] // 2 - k1, k1 + size1 - shape[1] // 2)
    return _from_lines(full, half)


def from_image(image: torch.Tensor) -> torch.Tensor:
    """Coarse maps from the centre of the coil images' own k-space, both complex64 [coil, z, y, x]."""
    return _from_lines(to_kspace(image, (-3, -2, -1)), CENTRE // 2)


def _from_lines(lines: torch.Tensor, half: int) -> torch.Tensor:
    """From k-space used up to ``half`` lines from its centre, and as far in proportion along k0."""
    part = min(half / lines.shape[-2], 0.5 / STEP)
    for axis in (-2, -1):
        size = lines.shape[axis]
        lines = resize(lines * hanning(size, part, axis), axis, math.ceil(size / STEP))
    images = to_image(lines, (-3, -2, -1))
    return torch.stack([adaptive(images[:, z]) for z in range(images.shape[1])], 1)


def hanning(size: int, part: float, axis: int) -> torch.Tensor:
    """A Hanning window about n // 2 that ends ``part`` of the size from it, shaped for a (negative) axis."""
    distance = (torch.arange(size) - size // 2).abs() / max(1.0, part * size)
    window = torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), torch.zeros(()))
    return window.reshape([-1] + [1] * (-1 - axis))


def adaptive(images: torch.Tensor) -> torch.Tensor:
    """Maps by adaptive combination, complex64 [coil, y, x], from images of that shape.

    At each point the dominant eigenvector of the coils' covariance in its neighbourhood (Walsh et al., MRM
    43:682, 2000), its phase that of the virtual coil which dominates the whole image.
    """
    coils, height, width = images.shape
    reach = len(WINDOW) // 2
    images = images / (math.sqrt(energy(images) / (height * width)) or 1.0)
    dominant = _dominant(images)
    padded = torch.nn.functional.pad(images, (reach, reach, reach, reach)).permute(1, 2, 0).contiguous()
    start = images.permute(1, 2, 0) + 1e-3 * dominant
    rows = max(1, MOST_VALUES // (width * coils * len(WINDOW) ** 2))
    maps = torch.cat(
        [
            _eigenvectors(_neighbours(padded, row, min(row + rows, height)), start[row : row + rows], 1e-6)
            for row in range(0, height, rows)
        ]
    )
    along = maps @ dominant.conj()
    return (maps * torch.exp(-1j * along.angle()).unsqueeze(-1)).permute(2, 0, 1)


def _dominant(images: torch.Tensor) -> torch.Tensor:
    """The coil combination that holds most of the energy, its greatest part real, complex64 [coil]."""
    samples = images.flatten(1)
    vectors: torch.Tensor = torch.linalg.eigh(samples @ samples.mH).eigenvectors
    vector = vectors[:, -1]
    return vector * torch.exp(-1j * vector[vector.abs().argmax()].angle())


def _neighbours(padded: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """The weighted neighbourhood of each point of some rows, [y, x, neighbour, coil]."""
    width = padded.shape[1] - len(WINDOW) + 1
    return torch.stack(
        [
            padded[first + dy : last + dy, dx : dx + width] * math.sqrt(wy * wx)
            for dy, wy in enumerate(WINDOW)
            for dx, wx in enumerate(WINDOW)
        ],
        2,
    )


def _eigenvectors(neighbours: torch.Tensor, start: torch.Tensor, shift: float) -> torch.Tensor:
    """Dominant eigenvectors of N^T conj(N) + shift by the power method, of unit length, [y, x, coil]."""
    conjugate = neighbours.conj().resolve_conj()
    vectors = start.unsqueeze(-1)
    for _ in range(ITERATIONS):
        vectors = ((conjugate @ vectors).mT @ neighbours).mT + shift * vectors
        scale = torch.view_as_real(vectors.squeeze(-1)).square().sum((-1, -2)).rsqrt_()
        vectors = vectors * scale[..., None, None]
    return vectors.squeeze(-1)


def interpolate(array: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Linear interpolation along an axis (negative) to ``size`` points of the same field of view."""
    have = array.shape[axis]
    return at_places(array, axis, (torch.arange(size, dtype=torch.float64) - size // 2) * have / size)


def at_places(array: torch.Tensor, axis: int, places: torch.Tensor) -> torch.Tensor:
    """Linear interpolation along an axis (negative) at ``places``, in points from the centre n // 2."""
    have = array.shape[axis]
    place = (places + have // 2).clamp(0, have - 1)
    first = place.floor().long()
    part = (place - first).to(torch.float32).reshape([-1] + [1] * (-1 - axis))
    after = (first + 1).clamp(max=have - 1)
    return torch.lerp(array.index_select(axis, first), array.index_select(axis, after), part.to(array.dtype))
