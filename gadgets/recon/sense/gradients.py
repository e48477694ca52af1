"""Conjugate gradients for many independent problems at once."""

from collections.abc import Callable

import torch

Apply = Callable[[torch.Tensor], torch.Tensor]
"""A Hermitian positive semi-definite operator."""

EXHAUSTED = 1e-13
"""A problem whose squared residual is this part of its right side has reached the end of float32."""

TINY = 1e-35
"""Energies below it count as 0."""


def conjugate(
    apply: Apply,
    right: torch.Tensor,
    over: tuple[int, ...],
    *,
    start: torch.Tensor | None = None,
    iterations: int,
    tolerance: float,
) -> torch.Tensor:
    """x with apply(x) = right, complex64, by conjugate gradients from ``start`` (0 when None).

    Only indices along the axes ``over`` are coupled: all others are problems with scalars of their own, which
    stop one by one. All end when the residual of all together is ``tolerance`` times the right side, or after
    ``iterations``.
    """
    image = torch.zeros_like(right) if start is None else start.clone()
    residual = right.clone() if start is None else right - apply(image)
    direction = residual.clone()
    energy, whole = _energy(residual, over), _energy(right, over)
    enough = tolerance**2 * float(whole.sum())
    for _ in range(iterations):
        if float(energy.sum()) <= enough:
            break
        applied = apply(direction)
        curved = _products(direction, applied, over)
        going = (energy > EXHAUSTED * whole) & (curved > TINY)
        step = torch.where(going, energy / curved.clamp(min=TINY), 0).to(image.dtype)
        image.addcmul_(step, direction)
        residual.addcmul_(-step, applied)
        before, energy = energy, _energy(residual, over)
        turn = torch.where(going, energy / before.clamp(min=TINY), 0)
        direction.mul_(turn.to(image.dtype)).add_(residual)
    return image


def _energy(array: torch.Tensor, over: tuple[int, ...]) -> torch.Tensor:
    return _products(array, array, over)


def _products(one: torch.Tensor, other: torch.Tensor, over: tuple[int, ...]) -> torch.Tensor:
    """Re sum conj(one) other over axes, kept; rows first, so that no sum is split between threads."""
    rows = (torch.view_as_real(one) * torch.view_as_real(other)).sum((-2, -1)).unsqueeze(-1)
    return rows.sum([axis for axis in over if axis % one.dim() < one.dim() - 1], keepdim=True)
