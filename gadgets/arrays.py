"""The project's one Fourier transform, centred and orthonormal, and sums over the coils that are fast."""

import functools
import math
from collections.abc import Callable

import torch

PIECE = 1 << 17
"""How many values a transform works on at a time, so that its passes over them find them in the cache."""


def to_image(kspace: torch.Tensor, axes: tuple[int, ...] = (-1,), scale: float = 1.0) -> torch.Tensor:
    """Inverse transform along ``axes`` (negative), times ``scale``; index n // 2 is frequency and position 0.

    x[m] = scale n^-1/2 sum_k X[k] exp(+2 pi i (k - n // 2)(m - n // 2) / n). The answer's strides are those
    that the transform is fast with.
    """
    return _transform(kspace, axes, scale, inverse=True)


def to_image_part(kspace: torch.Tensor, size: int) -> torch.Tensor:
    """The middle ``size`` points of ``to_image`` along the last axis, and no more work than they need."""
    points = kspace.shape[-1]
    if points % 2 or size >= points:
        return resize(to_image(kspace), -1, size)
    before, signs = size // 2, _signs(points, size)
    out = kspace.new_empty((*kspace.shape[:-1], size))
    lines, to = kspace.reshape(-1, points), out.view(signs.dtype).view(-1, 2 * size)
    step = max(1, PIECE // points)
    for start in range(0, len(lines), step):
        some = slice(start, start + step)
        parts = torch.fft.ifft(lines[some], norm="forward").view(signs.dtype)
        torch.mul(parts[:, 2 * (points - before) :], signs[: 2 * before], out=to[some, : 2 * before])
        torch.mul(parts[:, : 2 * (size - before)], signs[2 * before :], out=to[some, 2 * before :])
    return out


def turn_to_image(kspace: torch.Tensor, scale: float, out: torch.Tensor) -> None:
    """Write ``to_image`` along the last axis, times ``scale``, into ``out``; ``kspace`` is used up.

    Both are contiguous along that axis. Without copies of its own it takes half the time.
    """
    points = kspace.shape[-1]
    if points % 2:
        out.copy_(to_image(kspace, (-1,), scale))
        return
    _alternate(kspace, (-1,))
    signs = _signs(points, points)
    parts = torch.fft.ifft(kspace, norm="forward").view(signs.dtype)
    torch.mul(parts, signs * scale, out=out.view(signs.dtype))


@functools.lru_cache(maxsize=16)
def _signs(points: int, size: int) -> torch.Tensor:
    """What the middle ``size`` points of a plain inverse transform lack, twice each, float32 [2 size]."""
    signs = torch.full((size,), 1 / math.sqrt(points))
    signs[1 - size // 2 % 2 :: 2].neg_()
    return signs.repeat_interleave(2)


def to_kspace(image: torch.Tensor, axes: tuple[int, ...] = (-1,)) -> torch.Tensor:
    """Forward transform along ``axes``: the adjoint, and the inverse, of ``to_image``."""
    return _transform(image, axes, 1.0, inverse=False)


def _transform(array: torch.Tensor, axes: tuple[int, ...], scale: float, *, inverse: bool) -> torch.Tensor:
    fft: Callable[..., torch.Tensor] = torch.fft.ifftn if inverse else torch.fft.fftn
    if any(array.shape[axis] % 2 for axis in axes):
        shifted: torch.Tensor = torch.fft.ifftshift(array, axes)
        back: torch.Tensor = torch.fft.fftshift(fft(shifted, dim=axes, norm="ortho"), axes)
        return back if scale == 1 else back * scale
    if sum(array.shape[axis] // 2 for axis in axes) % 2:
        scale = -scale
    batch = array.ndim + min(axes)
    if array.numel() <= PIECE or not batch or array.requires_grad or array.device.type != "cpu":
        out = _alternating(array, axes, fft)
        return out if scale == 1 else out.mul_(scale)
    return _by_pieces(array, axes, scale, fft, batch)


def _by_pieces(
    array: torch.Tensor, axes: tuple[int, ...], scale: float, fft: Callable[..., torch.Tensor], batch: int
) -> torch.Tensor:
    """The transform of even axes along the first ``batch`` axes piece by piece, so that passes are cheap."""
    rows = array.flatten(0, batch - 1)
    step = max(1, PIECE // rows[0].numel())
    first = _alternating(rows[:step], axes, fft)
    out = torch.empty_strided(rows.shape, first.stride(), dtype=first.dtype)
    for start in range(0, len(rows), step):
        piece = _alternating(rows[start : start + step], axes, fft) if start else first
        to = out[start : start + step]
        torch.mul(torch.view_as_real(piece), scale, out=torch.view_as_real(to))
    return out.reshape(array.shape)


def _alternating(
    array: torch.Tensor, axes: tuple[int, ...], fft: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """The centred transform of even axes but for its sign, which is that of (-1)^(sum of n / 2)."""
    array = array.clone(memory_format=torch.contiguous_format)
    _alternate(array, axes)
    out = fft(array, dim=axes, norm="ortho")
    _alternate(out, axes)
    return out


def _alternate(array: torch.Tensor, axes: tuple[int, ...]) -> None:
    """Multiply by (-1)^k in place: for even n a shift by n / 2 in the other domain."""
    for axis in axes:
        array.narrow(axis, 1, array.shape[axis] - 1).unfold(axis, 1, 2).neg_()


def resize(array: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Crop or zero-fill one axis (negative) about its centre index n // 2."""
    have = array.shape[axis]
    start = have // 2 - size // 2
    if size <= have:
        return array.narrow(axis, start, size)
    out = array.new_zeros([*array.shape[:axis], size, *array.shape[axis:][1:]])
    out.narrow(axis, -start, have).copy_(array)
    return out


def root_sum_of_squares(data: torch.Tensor) -> torch.Tensor:
    """sqrt(sum_c |data[c]|^2) of complex64 [coil, ...], float32 [...]; about ten times as fast as a norm."""
    parts = torch.view_as_real(data)
    total = torch.zeros_like(parts[0])
    for coil in parts:
        total.addcmul_(coil, coil)
    return total.sum(-1).sqrt_()


def weighted_sum(weights: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    """sum_c weights[c] data[c], both complex64 [coil, ...], without an array of their products."""
    total = torch.zeros_like(data[0])
    for weight, coil in zip(weights, data, strict=True):
        total.addcmul_(weight, coil)
    return total


def plain_kspace(image: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """``to_kspace`` without its phases: |.| is the same when the image is multiplied by ``centring`` first.

    Half the work where both domains are met many times over and only magnitudes count in one of them.
    """
    out: torch.Tensor = torch.fft.fftn(image, dim=axes, norm="ortho")
    return out


def plain_image(kspace: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """The adjoint, and the inverse, of ``plain_kspace``."""
    out: torch.Tensor = torch.fft.ifftn(kspace, dim=axes, norm="ortho")
    return out


def centring(points: int) -> torch.Tensor:
    """exp(2 pi i (n // 2) y / n), complex64 [y]: makes the plain transform of an image the centred one."""
    angle = 2 * math.pi * (points // 2) / points * torch.arange(points, dtype=torch.float64)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
