"""The noise of a SENSE image, followed exactly through the linear steps behind it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.image.noise import ViewedNoise
from gadgets.recon.sampling import sampled_part
from gadgets.recon.sense.unfold import Shift
from gadgets.recon.sense.window import Window
from gadgets.recon.view import PLAIN, View

Correlated = Iterable[tuple[Shift, torch.Tensor]]
"""By shift d, (0, 0) first, the covariance of pixels r and r - d of the window's grid, complex [z, y, x]."""

Shape = tuple[int, int, int]

APART = 1e-6
"""What weights may differ by from a product, relative to the greatest, and still count as one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SenseNoise(ViewedNoise):
    """Noise of unmixed pixels: those that fold on one another correlate, and later steps mix them.

    A pixel behind the steps is sum_r h(p - r) image(r), h the transform of the weights of the view; its
    variance is sum_d sum_r h(p - r) conj(h(p - r + d)) C_d(r): by shift d, a convolution.
    """

    correlated: Callable[[], Correlated]
    window: Window
    scale: float
    """The image's scale."""

    columns: int
    """Pixels along x."""

    readout: tuple[float, float] = (-1.0, 1.0)
    """From where to where k0 was sampled, in halves of the readout from its centre."""

    @property
    def shape(self) -> Shape:
        """The matrix (z, y, x) that was acquired."""
        return self.window.k2.size, self.window.k1.size, self.columns

    def seen(self) -> torch.Tensor:
        """The sd through the view, float32 [z, y, x].

        Where weights vary along kx, and the echo is asymmetric, the coil maps are taken to vary little over
        the few pixels that the missing samples blur.
        """
        first, last = self.readout
        weights = self.view.weights
        part = (last - first) / 2
        if weights is not None and weights.shape[-1] > 1 and part < 1:
            weights, part = weights * sampled_part(self.columns, first, last), 1.0
        variance = spread(
            self.correlated(), self.shape, self.window, View(weights=weights, pixels=self.view.pixels)
        )
        return (variance.real.clamp(min=0) * part).sqrt() * self.scale


def spread(correlated: Correlated, shape: Shape, window: Window, view: View = PLAIN) -> torch.Tensor:
    """The variance, complex64, at the pixels of a view of the matrix of ``shape`` (z, y, x).

    By transforms along those axes alone that the window or the view mixes.
    """
    weights = torch.ones(1, 1, 1, dtype=torch.float64) if view.weights is None else view.weights
    planes, columns = _apart(weights)
    mixed = [_axis(axis, shape, window, view, planes) for axis in (-3, -2)]
    along_x = _axis(-1, shape, window, view, columns)
    if planes.shape[-1] > 1:
        mixed, along_x = [*mixed, along_x or Axis(axis=-1, size=shape[-1])], None
    axes = [axis for axis in mixed if axis]
    total = torch.zeros(())
    for shift, part in correlated:
        if not axes:
            total = part * planes.square().to(torch.float32)
            break
        if not any(
            d and all(axis.axis != where for axis in axes) for d, where in zip(shift, (-3, -2), strict=True)
        ):
            total = total + _spectrum(part, shift, axes, window, planes)
    total = _at(total, axes)
    if along_x:
        total = _at(_spectrum(total, (0, 0), [along_x], window, columns), [along_x])
    return total


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """An axis along which pixels are mixed."""

    axis: int
    """Negative."""

    size: int
    """Pixels of the matrix; places are in these."""

    pixels: torch.Tensor | None = None
    """The places at which the image is looked at; None: its own pixels."""


def _axis(axis: int, shape: Shape, window: Window, view: View, weights: torch.Tensor) -> Axis | None:
    """The axis, if the window, the view or the weights mix its pixels."""
    span = {-3: window.k2, -2: window.k1}.get(axis)
    plain = span is None or span.whole
    if plain and view.pixels[axis] is None and weights.shape[axis] == 1:
        return None
    return Axis(axis=axis, size=shape[axis], pixels=view.pixels[axis])


def _apart(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights as a product of those over (kz, ky) and over kx; all of them and 1 where they are none."""
    one = torch.ones(1, 1, 1, dtype=weights.dtype)
    middle = tuple(size // 2 for size in weights.shape)
    centre = float(weights[middle])
    if weights.shape[-1] == 1 or centre == 0:
        return weights, one
    planes = weights[..., middle[2], None]
    columns = weights[middle[0], middle[1], None, None] / centre
    if float((planes * columns - weights).abs().max()) > APART * float(weights.abs().max()):
        return weights, one
    return planes, columns


def _spectrum(
    part: torch.Tensor, shift: Shift, axes: list[Axis], window: Window, weights: torch.Tensor
) -> torch.Tensor:
    """What one shift adds, over twice the k-space along the axes: variance has twice the bandwidth."""
    where = tuple(axis.axis for axis in axes)
    kernel = _cut(weights, axes, window, part.shape)
    for axis in axes:
        kernel = resize(kernel, axis.axis, 2 * part.shape[axis.axis])
    kernel = to_image(kernel, where)
    moved = kernel.roll([-2 * d for d in shift], (-3, -2))
    both = to_kspace(kernel * moved.conj(), where)
    found = to_kspace(part, where)
    for axis in axes:
        points = part.shape[axis.axis]
        index = (torch.arange(2 * points) - points + points // 2) % points
        found = found.index_select(axis.axis, index)
    return found * both * math.prod(math.sqrt(2) / axis.size for axis in axes)


def _cut(weights: torch.Tensor, axes: list[Axis], window: Window, shape: torch.Size) -> torch.Tensor:
    """The weights of the lines that the window keeps, complex64; 1 point along other axes."""
    for axis in axes:
        points = list(weights.shape)
        points[axis.axis] = axis.size
        weights = weights.expand(points)
        span = {-3: window.k2, -2: window.k1}.get(axis.axis)
        if span is not None and not span.whole:
            kept = torch.zeros(axis.size, dtype=weights.dtype)
            kept[span.kept.start : span.kept.stop] = 1
            weights = span.cut(weights * kept.reshape([-1] + [1] * (-1 - axis.axis)), axis.axis)
    return weights.to(torch.complex64)


def _at(spectrum: torch.Tensor, axes: list[Axis]) -> torch.Tensor:
    """The variance at the places of the axes, of its spectrum."""
    for axis in axes:
        double = spectrum.shape[axis.axis]
        places = axis.pixels
        if places is None:
            places = torch.arange(axis.size, dtype=torch.float64) - axis.size // 2
        angle = 2 * math.pi / axis.size * torch.outer(places, torch.arange(double) - double // 2)
        waves = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
        spectrum = (waves @ spectrum.movedim(axis.axis, -2)).movedim(-2, axis.axis)
    return spectrum
