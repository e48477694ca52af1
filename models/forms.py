"""What a network takes, by name and axes: for exports, engines and examples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from models.nets.unet import MULTIPLE

Axis = int | str
"""A fixed size, or one of ``n`` (batch), ``y``, ``x`` and ``2y`` (twice y)."""

Inputs = tuple[torch.Tensor, ...]
"""What a network takes, in the order of its form's names."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The inputs of a kind of networks, and random ones to compare backends by."""

    axes: Mapping[str, tuple[Axis, ...]]
    example: Callable[[int, tuple[int, int], int], Inputs]
    """Of a batch, a shape (y, x) and a seed."""

    profiles: int = 5
    """So many of the ranges of lines that engines have profiles for."""

    columns: tuple[int, int, int] = (64, 192, 512)
    """Least, best and greatest side along x of an engine's images."""

    batch: tuple[int, int, int] = (1, 1, 32)
    """The same of batches."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in order."""
        return tuple(self.axes)

    def free(self) -> dict[str, tuple[int, ...]]:
        """The axes of each input that are free in an exported graph."""
        return {
            name: tuple(place for place, axis in enumerate(axes) if isinstance(axis, str))
            for name, axes in self.axes.items()
        }

    def shape(self, name: str, batch: int, y: int, x: int) -> tuple[int, ...]:
        """The shape of an input."""
        sizes = {"n": batch, "y": y, "x": x, "2y": 2 * y}
        return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in self.axes[name])


def unrolled(batch: int = 1, shape: tuple[int, int] = (32, 24), seed: int = 0) -> Inputs:
    """Random linear image, A^H y, matrix and noise map; A^H A as of one coil with every second line."""
    generator = torch.Generator().manual_seed(seed)
    height, width = shape
    linear, adjoint = torch.randn(2, batch, 2, height, width, generator=generator)
    half = 0.5 * (torch.eye(height) + torch.roll(torch.eye(height), height // 2, 0))
    matrix = torch.cat([half, torch.zeros(height, height)], 1).expand(width, -1, -1).contiguous()
    return linear, adjoint, matrix, torch.ones(batch, 1, height, width)


def frames(batch: int = 1, shape: tuple[int, int] = (32, 24), seed: int = 0) -> Inputs:
    """The same of a series of ``batch`` frames that have other lines in turn."""
    start, adjoint, matrix, sd = unrolled(batch, shape, seed)
    height = shape[0]
    other = torch.cat([torch.eye(height), torch.zeros(height, height)], 1).expand_as(matrix) / 2
    matrices = torch.stack([other if frame % 2 else matrix for frame in range(batch)])
    return start, adjoint, matrices, sd


def denoising(batch: int = 1, shape: tuple[int, int] = (32, 24), seed: int = 0) -> Inputs:
    """A random image and a noise map."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 2, *shape, generator=generator)
    return image, 0.2 + torch.rand(batch, 1, *shape, generator=generator)


def segmenting(batch: int = 1, shape: tuple[int, int] = (32, 24), seed: int = 0, frames: int = 1) -> Inputs:
    """Random magnitude images whose sides are multiples of 16, ``frames`` of each slice."""
    generator = torch.Generator().manual_seed(seed)
    sides = [-(-side // 16) * 16 for side in shape]
    return (torch.rand(batch, frames, *sides, generator=generator),)


IMAGE: tuple[Axis, ...] = ("n", 2, "y", "x")
MAP: tuple[Axis, ...] = ("n", 1, "y", "x")

UNROLLED = Form(
    axes={"linear": IMAGE, "adjoint": IMAGE, "matrix": ("x", "y", "2y"), "sd": MAP}, example=unrolled
)
FRAMES = Form(
    axes={"start": IMAGE, "adjoint": IMAGE, "matrix": ("n", "x", "y", "2y"), "sd": MAP},
    example=frames,
    profiles=2,
    columns=(64, 128, 192),
    batch=(1, 25, 32),
)
DENOISER = Form(axes={"noisy": IMAGE, "sd": MAP}, example=denoising)


def segmenter(frames: int) -> Form:
    """Of a network that is shown ``frames`` magnitude images of each slice."""
    return Form(axes={"magnitude": ("n", frames, "y", "x")}, example=partial(segmenting, frames=frames))


def pad(inputs: Inputs) -> Inputs:
    """Inputs whose sides are multiples of ``MULTIPLE``: zeros below and at the right, where A^H A is 0."""
    height, width = inputs[0].shape[-2:]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    return tuple(
        pad_matrix(part) if part.dim() == 3 else torch.nn.functional.pad(part, (0, right, 0, down))
        for part in inputs
    )


def pad_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix [x, y, 2 y] of padded images; itself where its sides are multiples of ``MULTIPLE``."""
    width, height = matrix.shape[:2]
    down, right = -height % MULTIPLE, -width % MULTIPLE
    if not (down or right):
        return matrix
    halves = matrix[..., :height], matrix[..., height:]
    fill = torch.nn.functional.pad
    return torch.cat([fill(half, (0, down, 0, down, 0, right)) for half in halves], -1)
