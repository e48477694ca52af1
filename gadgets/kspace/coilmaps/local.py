"""Inati's coil maps: the coils' covariance around each pixel, and the object's phase."""

import math

import torch

from gadgets.arrays import to_image
from gadgets.image.maps import hanning
from gadgets.kspace.coilmaps.eigen import iterate
from models.sums import energy

REACH = 3
"""A neighbourhood has 2 REACH + 1 pixels along y and x."""

ITERATIONS = 5
"""Of the power method; the mean over the neighbourhood is a good start."""

MOST_VALUES = 1 << 20
"""How many complex values are worked on at a time."""


def inati(lines: torch.Tensor, first: tuple[int, int], shape: tuple[int, int, int]) -> torch.Tensor:
    """Coil maps, complex64 [1, coil, z, y, x], from lines [coil, k2, k1, k0] that begin at ``first``.

    At each pixel the dominant eigenvector of the coils' covariance in its neighbourhood, with the phase at
    which the combined neighbourhood is real: the image combined with these maps has hardly any phase of its
    own (Inati, Hansen and Kellman, Proc. ISMRM 2014, 4407).
    """
    images = low_resolution(lines, first, shape)
    images = images * math.sqrt(images.numel() / len(images) / (energy(images) or 1.0))
    return torch.stack([_plane(images[:, z]) for z in range(shape[0])], 1).unsqueeze(0)


def low_resolution(lines: torch.Tensor, first: tuple[int, int], shape: tuple[int, int, int]) -> torch.Tensor:
    """Coil images of reference lines alone under a Hanning window, complex64 [coil, z, y, x]."""
    size2, size1, _ = lines.shape[1:]
    pad = (0, 0, first[1], shape[1] - first[1] - size1, first[0], shape[0] - first[0] - size2)
    full = torch.nn.functional.pad(lines, pad)
    half = max(shape[1] // 2 - first[1], first[1] + size1 - shape[1] // 2)
    part = half / shape[1]
    return to_image(full * hanning(shape[1], part, -2) * hanning(shape[2], part, -1), (-3, -2, -1))


def _plane(images: torch.Tensor) -> torch.Tensor:
    """The maps of one plane, [coil, y, x], some rows at a time."""
    coils, height, width = images.shape
    padded = torch.nn.functional.pad(images, (REACH, REACH, REACH, REACH))
    rows = max(1, MOST_VALUES // (width * coils**2))
    pieces = []
    for start in range(0, height, rows):
        part = padded[:, start : min(start + rows, height) + 2 * REACH]
        field = _box(part.conj().unsqueeze(1) * part).flatten(2)
        mean = _box(part).flatten(1)
        vectors, _ = iterate(field, mean, ITERATIONS)
        along = (vectors.conj() * mean).sum(0)
        turn = torch.polar(torch.ones_like(along.real), along.angle())
        pieces.append((vectors * turn).reshape(coils, -1, width))
    return torch.cat(pieces, 1)


def _box(array: torch.Tensor) -> torch.Tensor:
    """The mean over each neighbourhood that lies inside, complex [..., y, x], smaller by 2 REACH."""
    size = 2 * REACH + 1
    parts = torch.view_as_real(array).movedim(-1, 0).flatten(0, -3)
    parts = torch.nn.functional.avg_pool2d(parts, (1, size), stride=1)
    parts = torch.nn.functional.avg_pool2d(parts, (size, 1), stride=1)
    two = parts.reshape(2, *array.shape[:-2], *parts.shape[1:])
    return torch.complex(two[0], two[1])
