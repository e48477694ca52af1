"""The data-consistency operator of Cartesian 2D scans, without a Fourier transform and without a coil axis.

After the transform along the readout, A^H W A of column x is C * K(x), elementwise, over the pixels of that
column: C = F^H W F is the circulant matrix of the line weights, K(x)[i, j] = sum_c conj(s_c(x, i)) s_c(x, j)
the Gram matrix of the coil maps. One complex matrix product for each column stands for two transforms and two
products for each coil. Several sets of maps (soft SENSE) are one longer column of v = maps * y pixels.

Line weights are inverse noise variances in SNR units: how many times a line was acquired, 0 where it was not.
They must be the same in all coils and at all readout positions; averages, partial Fourier and any pattern of
lines are. Where they are not (two phase-encoding axes), ``Transformed`` is the same operator by transforms.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.errors import ModelError
from models.sums import energy, total

Transform = Callable[[torch.Tensor, tuple[int, ...]], torch.Tensor]
"""A centred unitary transform along axes; ``gadgets.arrays.to_image`` and ``to_kspace`` are some."""

Apply = Callable[[torch.Tensor], torch.Tensor]


def dft(points: int) -> torch.Tensor:
    """The matrix F of the centred unitary transform to k-space, complex64 [k1, y]."""
    index = torch.arange(points, dtype=torch.float64) - points // 2
    angle = -2 * math.pi / points * torch.outer(index, index)
    return (torch.polar(torch.ones_like(angle), angle) / math.sqrt(points)).to(torch.complex64)


def circulant(weights: torch.Tensor) -> torch.Tensor:
    """C = F^H diag(weights) F, complex64 [y, y], of line weights [k1]."""
    transform = dft(len(weights)).to(weights.device, torch.complex128)
    return (transform.mH @ (weights.double()[:, None] * transform)).to(torch.complex64)


def gram(maps: torch.Tensor) -> torch.Tensor:
    """K, complex64 [x, v, v], of coil maps complex64 [map, coil, y, x]."""
    columns = maps.permute(3, 0, 2, 1).flatten(1, 2).contiguous()
    product: torch.Tensor = columns.conj().resolve_conj() @ columns.mT
    return product


def columns(image: torch.Tensor) -> torch.Tensor:
    """The columns [x, v] of an image [map, y, x]."""
    return image.permute(2, 0, 1).flatten(1)


def picture(column: torch.Tensor, maps: int) -> torch.Tensor:
    """The image [map, y, x] of columns [x, v]."""
    return column.reshape(len(column), maps, -1).permute(1, 2, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Coils:
    """The coil maps of a slice and their Gram matrices: set up once, before the imaging lines are there."""

    maps: torch.Tensor
    """complex64, [map, coil, y, x]."""

    gram: torch.Tensor
    """complex64, [x, v, v]."""

    @classmethod
    def of(cls, maps: torch.Tensor) -> "Coils":
        """Set up maps, complex64 [map, coil, y, x]."""
        return cls(maps=maps, gram=gram(maps))

    def normal(self, weights: torch.Tensor) -> torch.Tensor:
        """A^H W A = C * K, complex64 [x, v, v], of line weights [k1]."""
        size = self.maps.shape[-2]
        if weights.shape != (size,):
            raise ModelError(f"line weights are {tuple(weights.shape)}, expected ({size},) as the maps have")
        sets = len(self.maps)
        return self.gram * circulant(weights).repeat(sets, sets)

    def adjoint(self, kspace: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """A^H W y, complex64 [map, y, x], of lines [coil, k1, x] (the readout is transformed)."""
        back = dft(len(weights)).mH * weights.to(torch.float32)
        return self.combine(back @ kspace)

    def combine(self, images: torch.Tensor) -> torch.Tensor:
        """The conjugate maps' sum over coil images [coil, y, x], complex64 [map, y, x]."""
        combined: torch.Tensor = torch.linalg.vecdot(self.maps, images[None], dim=1)
        return combined


@dataclass(kw_only=True, eq=False)
class Adjoint:
    """A^H W y as it grows with each readout.

    Readouts add up one by one in the order in which they come, so that no result depends on how they were
    grouped. Repeats of a line add their weight.
    """

    images: torch.Tensor
    """F^H W y so far, complex64 [coil, y, x]."""

    weights: torch.Tensor
    """How many times each line has come, float32 [k1]."""

    back: torch.Tensor
    """F^H, complex64 [k1, y]: what each line adds along y."""

    @classmethod
    def empty(cls, coils: int, lines: int, points: int) -> "Adjoint":
        """Nothing acquired yet: ``lines`` along y, ``points`` along x."""
        images = torch.zeros(coils, lines, points, dtype=torch.complex64)
        return cls(images=images, weights=torch.zeros(lines), back=dft(lines).conj().resolve_conj())

    def add(self, readouts: torch.Tensor, k1: list[int]) -> None:
        """Add readouts [readout, coil, x], transformed along the readout, of lines ``k1``."""
        for readout, line in zip(readouts, k1, strict=True):
            self.images.addcmul_(self.back[line][None, :, None], readout[:, None, :])
            self.weights[line] += 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Proximal:
    """argmin_x ||A x - y||_W^2 + weight ||x - z||^2 = P (A^H W y + weight z), P = (A^H W A + weight)^-1."""

    inverse: torch.Tensor
    """P, complex64 [x, v, v]."""

    weight: float
    maps: int = 1

    def __call__(self, adjoint: torch.Tensor, prior: torch.Tensor | None = None) -> torch.Tensor:
        """The minimiser [map, y, x] from A^H W y and z of that shape; z = 0 when None (Tikhonov SENSE)."""
        right = adjoint if prior is None else adjoint + self.weight * prior
        return picture((self.inverse @ columns(right)[..., None])[..., 0], self.maps)

    def sd(self) -> torch.Tensor:
        """Noise sd of the Tikhonov image (real part as imaginary part), float32 [map, y, x].

        The root of the diagonal of P A^H W A P = P - weight P P, where the noise of a line has the variance
        1 / weights and the coils are white.
        """
        own = torch.diagonal(self.inverse, dim1=-2, dim2=-1).real
        rows = torch.view_as_real(self.inverse).flatten(-2).square().sum(-1)
        return picture((own - self.weight * rows).clamp(min=0).sqrt(), self.maps).contiguous()

    def channels(self) -> torch.Tensor:
        """P in two-channel form, for networks and exported graphs: float32 [x, v, 2 v]: [Re P^T, Im P^T]."""
        return torch.cat([self.inverse.real, -self.inverse.imag], -1)


def proximal(normal: torch.Tensor, weight: float, maps: int = 1) -> Proximal:
    """The exact proximal step of A^H W A, complex64 [x, v, v], for one weight above 0.

    By Cholesky factors: a batched complex inverse fails in torch 2.13 with two threads.
    """
    if not weight > 0:
        raise ModelError(f"the weight of a proximal step is {weight}, expected above 0")
    size = normal.shape[-1]
    eye = torch.eye(size, dtype=normal.dtype, device=normal.device)
    inverse = torch.empty_like(normal)
    step = STEP if normal.device.type == "cpu" else len(normal)
    for first in range(0, len(normal), step):
        part = normal[first : first + step]
        lower = torch.linalg.solve_triangular(torch.linalg.cholesky(part + weight * eye), eye, upper=False)
        inverse[first : first + step] = lower.mH @ lower
    return Proximal(inverse=inverse, weight=weight, maps=maps)


STEP = 16
"""Columns that a processor inverts at a time."""


def multiply(matrix: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """A matrix in two-channel form times images, without a complex type: [batch, 2, y, x], both float32.

    ``matrix`` [x, y, 2 y] holds for the whole batch (one mask), [batch, x, y, 2 y] has one for each image.
    """
    size = image.shape[-2]
    if matrix.dim() == 3:
        rows = image.permute(3, 0, 1, 2)
        flat = rows.flatten(1, 2) @ matrix
        product = flat.reshape(flat.shape[0], -1, 2, 2 * size).permute(1, 0, 2, 3)
    else:
        product = image.permute(0, 3, 1, 2) @ matrix
    real = product[..., 0, :size] - product[..., 1, size:]
    imag = product[..., 1, :size] + product[..., 0, size:]
    return torch.stack([real, imag], 1).transpose(-1, -2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Transformed:
    """The same operator by Fourier transforms, for any weights over the transformed axes."""

    maps: torch.Tensor
    """complex64, [map, coil, z, y, x]."""

    weights: torch.Tensor
    """Inverse noise variance of each sample, float32, shaped to multiply k-space [coil, k2, k1, k0]."""

    axes: tuple[int, ...]
    """Negative: those to transform."""

    to_kspace: Transform
    to_image: Transform

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """A^H W y, complex64 [map, z, y, x], of k-space [coil, k2, k1, k0] (x where an axis is not k0)."""
        images = self.to_image(kspace * self.weights, self.axes)
        combined: torch.Tensor = torch.linalg.vecdot(self.maps, images[None], dim=1)
        return combined

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """A x, complex64 [coil, k2, k1, k0], without the weights."""
        return self.to_kspace((self.maps * image[:, None]).sum(0), self.axes)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """A^H W A x, complex64 [map, z, y, x]."""
        return self.adjoint(self.forward(image))

    def proximal(
        self, adjoint: torch.Tensor, prior: torch.Tensor, weight: float, iterations: int = 20
    ) -> torch.Tensor:
        """The proximal step by conjugate gradients that begin at ``prior``; shapes as in ``Proximal``."""

        def apply(image: torch.Tensor) -> torch.Tensor:
            return self.normal(image) + weight * image

        return conjugate_gradients(apply, adjoint + weight * prior, prior, iterations)


def conjugate_gradients(
    apply: Apply, right: torch.Tensor, start: torch.Tensor, iterations: int, tolerance: float = 1e-6
) -> torch.Tensor:
    """x with apply(x) = right, for a Hermitian positive definite ``apply``.

    Ends after ``iterations``, or when the residual is ``tolerance`` times the right side.
    """
    image = start.clone()
    residual = right - apply(image)
    direction = residual
    left = energy(residual)
    enough = tolerance**2 * energy(right)
    for _ in range(iterations):
        if left <= enough:
            break
        applied = apply(direction)
        step = left / total((direction.conj() * applied).real).real
        image = image + step * direction
        residual = residual - step * applied
        before, left = left, energy(residual)
        direction = residual + left / before * direction
    return image
