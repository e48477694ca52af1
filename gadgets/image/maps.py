"""Coil maps: the relative sensitivity of each coil, from images of low resolution."""

import math

import torch

from gadgets.arrays import resize, root_sum_of_squares, to_image, to_kspace
from gadgets.data import Reference
from models.sums import energy

WINDOWS = {4: (0.375, 1.0, 0.375), 2: (0.25, 1.0, 1.0, 1.0, 0.25)}
"""By the distance of the points where maps are computed: how much of each coarse point a neighbourhood of 7
points of the image covers. The greatest distance is taken that shows all detail of the maps' images."""

ITERATIONS = 4
"""Of the power method. It converges where there is signal; elsewhere the maps only shape the noise."""

CENTRE = 32
"""How many lines in the centre of k-space make coil maps where there are no reference lines."""

MOST_VALUES = 1 << 21
"""How many complex values are worked on at a time."""


def expand(maps: torch.Tensor, shape: tuple[int, int], like: torch.Tensor | None = None) -> torch.Tensor:
    """Coarse maps at every point of an image of ``shape`` (y, x), complex64 [coil, z, y, x].

    They get the strides of ``like``, the coil images: sums over both are many times faster then.
    """
    if like is None:
        full = interpolate(interpolate(maps, -1, shape[1]), -2, shape[0])
    else:
        full = torch.empty_like(like)
        for coil, each in zip(full, maps, strict=True):
            coil.copy_(interpolate(interpolate(each, -1, shape[1]), -2, shape[0]))
    norm = root_sum_of_squares(full)
    torch.view_as_real(full).mul_(norm.reciprocal_().unsqueeze(-1))
    return full


def from_reference(reference: Reference) -> torch.Tensor:
    """Coarse maps from reference lines, complex64 [coil, z, y, x]."""
    lines = to_kspace(reference.data) if reference.transformed else reference.data
    (k2, k1), (planes, height, width) = reference.first, reference.shape
    size2, size1 = lines.shape[-3:-1]
    half = max(height // 2 - k1, k1 + size1 - height // 2)
    step, part = _detail(half, height)
    low = math.ceil(height / step)
    before = k1 - (height // 2 - low // 2)
    lines = lines * hanning(height, part, -2)[k1 : k1 + size1]
    lines = torch.nn.functional.pad(lines, (0, 0, before, low - before - size1, k2, planes - k2 - size2))
    lines = resize(lines * hanning(width, part, -1), -1, math.ceil(width / step))
    return _by_plane(to_image(lines, (-3, -2, -1)), step)


def from_image(image: torch.Tensor) -> torch.Tensor:
    """Coarse maps from the centre of the coil images' own k-space, both complex64 [coil, z, y, x]."""
    step, part = _detail(CENTRE // 2, image.shape[-2])
    for axis in (-1, -2):
        size = image.shape[axis]
        lines = resize(to_kspace(image, (axis,)), axis, math.ceil(size / step))
        window = resize(hanning(size, part, axis), axis, math.ceil(size / step))
        image = to_image(lines * window, (axis,))
    return _by_plane(image, step)


def _detail(half: int, size: int) -> tuple[int, float]:
    """Distance of the points, and part of k-space, for lines up to ``half`` from the centre of ``size``."""
    step = next((step for step in WINDOWS if 2 * step * half <= size), min(WINDOWS))
    return step, min(half / size, 0.5 / step)


def _by_plane(images: torch.Tensor, step: int) -> torch.Tensor:
    return torch.stack([adaptive(images[:, z], WINDOWS[step]) for z in range(images.shape[1])], 1)


def hanning(size: int, part: float, axis: int) -> torch.Tensor:
    """A Hanning window about n // 2 that ends ``part`` of the size from it, shaped for a (negative) axis."""
    distance = (torch.arange(size) - size // 2).abs() / max(1.0, part * size)
    window = torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), torch.zeros(()))
    return window.reshape([-1] + [1] * (-1 - axis))


def adaptive(images: torch.Tensor, window: tuple[float, ...] = WINDOWS[2]) -> torch.Tensor:
    """Maps by adaptive combination, complex64 [coil, y, x], from images of that shape.

    At each point the dominant eigenvector of the coils' covariance in its neighbourhood, points weighted by
    ``window`` along both axes (Walsh et al., MRM 43:682, 2000), its phase that of the virtual coil which
    dominates the whole image.
    """
    coils, height, width = images.shape
    reach = len(window) // 2
    images = images / (math.sqrt(energy(images) / (height * width)) or 1.0)
    dominant = _dominant(images)
    padded = torch.nn.functional.pad(images, (reach, reach, reach, reach)).permute(1, 2, 0).contiguous()
    start = images.permute(1, 2, 0) + 1e-3 * dominant
    rows = max(1, MOST_VALUES // (width * coils * len(window) ** 2))
    maps = torch.cat(
        [
            _eigenvectors(_neighbours(padded[row : row + rows + 2 * reach], window), start[row : row + rows])
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


def _neighbours(padded: torch.Tensor, window: tuple[float, ...]) -> torch.Tensor:
    """The weighted neighbourhood of each point but for those at the edges, [y, x, neighbour, coil]."""
    height, width = (size - len(window) + 1 for size in padded.shape[:2])
    return torch.stack(
        [
            padded[dy : dy + height, dx : dx + width] * math.sqrt(wy * wx)
            for dy, wy in enumerate(window)
            for dx, wx in enumerate(window)
        ],
        2,
    )


def _eigenvectors(neighbours: torch.Tensor, start: torch.Tensor, shift: float = 1e-6) -> torch.Tensor:
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
    before, after = (array.index_select(axis, one) for one in (first, (first + 1).clamp(max=have - 1)))
    if not array.is_complex():
        return torch.lerp(before, after, part.to(array.dtype))
    torch.view_as_real(before).lerp_(torch.view_as_real(after), part.unsqueeze(-1))
    return before
