"""What the coils make of an image: A = sampling, transform, coil maps; by transforms along few axes only."""

from dataclasses import dataclass
from functools import cached_property

import torch

from gadgets.arrays import centring, plain_image, plain_kspace, to_image
from gadgets.recon.sense.gradients import conjugate

MOST_VALUES = 1 << 17
"""How many values of coil images are worked on at a time: what a processor's cache holds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A^H W A of a Cartesian acquisition, in a layout where the transformed axes come last.

    Axes along which all lines are there need no transform: images are [map, z, y, x], but what ``lay``
    makes of them, and what all other methods take, has the coupled axes last, ``len(axes)`` of them: each
    index of those before is a problem of its own.
    """

    maps: torch.Tensor
    """complex64, [map, coil, z, y, x], of any norm."""

    weights: torch.Tensor
    """Inverse noise variance of each sample, float32 [k2, k1] or [k2, k1, k0]; 0 where there is none."""

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Axes of an image that are coupled, negative: where lines (or samples) are missing."""
        weights = self.weights if self.weights.dim() == 3 else self.weights[..., None]
        sizes = zip((-3, -2, -1), weights.shape, self.maps.shape[2:], strict=True)
        return tuple(
            axis for axis, have, size in sizes if size > 1 and have > 1 and not bool(_alike(weights, axis))
        ) or (-2,)

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """The axes in the order of the layout: free ones first."""
        return (*(axis for axis in (-3, -1, -2) if axis not in self.axes), *self.axes)

    @property
    def coupled(self) -> tuple[int, ...]:
        """The coupled axes of the layout."""
        return tuple(range(-len(self.axes), 0))

    def lay(self, image: torch.Tensor) -> torch.Tensor:
        """An image, [..., z, y, x], in the layout."""
        lead = image.dim() - 3
        return image.permute(*range(lead), *(axis + image.dim() for axis in self._order)).contiguous()

    def unlay(self, laid: torch.Tensor) -> torch.Tensor:
        """The image, [..., z, y, x], of what is in the layout."""
        lead = laid.dim() - 3
        back = [self._order.index(axis) + lead for axis in (-3, -2, -1)]
        return laid.permute(*range(lead), *back)

    @cached_property
    def _laid(self) -> torch.Tensor:
        """The maps in the layout, times the phases that make the plain transform the centred one."""
        laid = self.lay(self.maps)
        for place, axis in zip(self.coupled, self.axes, strict=True):
            laid = laid * centring(self.maps.shape[axis]).reshape([-1] + [1] * (-1 - place))
        return laid

    @cached_property
    def _conjugate(self) -> torch.Tensor:
        return self._laid.conj().resolve_conj()

    @cached_property
    def _sampling(self) -> torch.Tensor:
        """The weights in the layout; complex, since a product of two types is slow."""
        weights = self.weights if self.weights.dim() == 3 else self.weights[..., None]
        for axis in (-3, -2, -1):
            if axis not in self.axes:
                weights = weights.narrow(axis, 0, 1)
        return self.lay(weights).to(torch.complex64)

    @cached_property
    def bound(self) -> float:
        """What no eigenvalue of A^H W A exceeds."""
        gram = torch.einsum("mczyx,nczyx->mnzyx", self.maps.conj(), self.maps).abs()
        return float(gram.sum(0).max()) * float(self.weights.max())

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """A^H W y in the layout, of [coil, k2, k1, k0], or over x where the columns are not coupled."""
        weights = self.weights if self.weights.dim() == 3 else self.weights[..., None]
        planes = (-3, -2) if kspace.shape[-3] > 1 else (-2,)
        images = to_image(kspace * weights, (*planes, -1) if -1 in self.axes else planes)
        total = torch.zeros_like(self.maps[:, 0])
        for maps, image in zip(self.maps.unbind(1), images, strict=True):
            total.addcmul_(maps.conj(), image)
        return self.lay(total)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """A^H W A x, [map, ...] in the layout, from x of that shape."""
        out = torch.zeros_like(image)
        coils = self._laid.shape[1]
        step = max(1, MOST_VALUES // image[0].numel())
        for start in range(0, coils, step):
            some = slice(start, min(start + step, coils))
            images = self._laid[0, some] * image[0]
            for maps, part in zip(self._laid[1:, some], image[1:], strict=True):
                images.addcmul_(maps, part)
            lines = plain_kspace(images, self.coupled).mul_(self._sampling)
            images = plain_image(lines, self.coupled)
            for maps, part in zip(self._conjugate[:, some], out, strict=True):
                for one, coil in zip(maps, images, strict=True):
                    part.addcmul_(one, coil)
        return out


def _alike(weights: torch.Tensor, axis: int) -> torch.Tensor:
    """All indices along an axis have the same weights, and none of the rest is without any."""
    first = weights.narrow(axis, 0, 1)
    return (weights == first).all()


def solve(
    encoding: Encoding,
    right: torch.Tensor,
    ridge: float = 0.0,
    *,
    start: torch.Tensor | None = None,
    iterations: int = 30,
    tolerance: float = 1e-5,
) -> torch.Tensor:
    """x with (A^H W A + ridge) x = right, by conjugate gradients, in the layout of ``encoding``.

    Problems that are not coupled have scalars of their own, so that each converges on its own. Ends when the
    residual of all together is ``tolerance`` times the right side, or after ``iterations``.
    """
    own = (0, *(axis for axis in range(1, right.dim()) if axis - right.dim() in encoding.coupled))

    def apply(image: torch.Tensor) -> torch.Tensor:
        found = encoding.normal(image)
        return found.add_(image, alpha=ridge) if ridge else found

    return conjugate(apply, right, own, start=start, iterations=iterations, tolerance=tolerance)
