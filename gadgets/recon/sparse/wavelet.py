"""Orthogonal wavelets on the last two axes of an image, and the shrinking of their coefficients."""

from dataclasses import dataclass
from functools import cache

import torch

BLOCK = 16
"""Outputs of each band that one row of a matrix product makes."""


WAVELET, LEVELS = "db4", 3
"""What is used where nothing else is asked for."""


@dataclass(frozen=True, kw_only=True)
class Wavelet:
    """Decimated, periodic, separable (Mallat, IEEE PAMI 11:674, 1989); the filters are PyWavelets'."""

    name: str = WAVELET
    levels: int = LEVELS

    def shrink(
        self,
        image: torch.Tensor,
        threshold: float,
        shift: tuple[int, int] = (0, 0),
        *,
        joint: bool = False,
        coarse: bool = False,
    ) -> torch.Tensor:
        """The image, complex64 [..., y, x], all its detail coefficients shrunk by ``threshold`` in magnitude.

        ``shift`` moves the image before, and back afterwards: a new one in each iteration makes the limit
        independent of where the wavelets lie. Sizes that 2^levels does not divide are zero-filled in between.
        ``joint``: the magnitude is that of all coefficients at one place along the first axis. ``coarse``:
        the coarsest band is shrunk, too.
        """
        height, width = image.shape[-2:]
        step = 2**self.levels
        pad = (0, -width % step, 0, -height % step)
        filled = torch.nn.functional.pad(image, pad) if any(pad) else image
        moved = filled.roll(shift, (-2, -1)) if any(shift) else filled
        parts = torch.view_as_real(moved).movedim(-1, 0).contiguous()
        flat = parts.flatten(0, 1) if joint else parts
        shrunk = self._shrink(flat, threshold, self.levels, coarse).reshape(parts.shape)
        found = torch.complex(shrunk[0], shrunk[1])
        if any(shift):
            found = found.roll((-shift[0], -shift[1]), (-2, -1))
        return found[..., :height, :width] if any(pad) else found

    def _shrink(self, parts: torch.Tensor, threshold: float, levels: int, whole: bool) -> torch.Tensor:
        """Of real and imaginary parts (of several images), whose magnitude is one: [part, ..., y, x]."""
        coefficients = analyse(analyse(parts, self.name).mT, self.name)
        rows, columns = coefficients.shape[-2] // 2, coefficients.shape[-1] // 2
        corner = coefficients[..., :rows, :columns]
        kept = self._shrink(corner, threshold, levels - 1, whole) if levels > 1 else corner.clone()
        length = coefficients.square().sum(0).clamp_(min=TINY).rsqrt_()
        coefficients.mul_(length.mul_(-threshold).add_(1).clamp_(min=0))
        if levels > 1 or not whole:
            coefficients[..., :rows, :columns] = kept
        return synthesise(synthesise(coefficients, self.name).mT, self.name)


TINY = 1e-30
"""Squared magnitudes below it count as 0."""


def analyse(signal: torch.Tensor, name: str) -> torch.Tensor:
    """Low band, then high band, along the last axis, whose length is even; float32."""
    taps, block = len(_filters(name)[0]), _block(signal.shape[-1])
    matrix = _analysis(name, block)
    around = _circular(signal, 0, taps - 2)
    windows = around.unfold(-1, 2 * block + taps - 2, 2 * block)
    bands = (windows.reshape(-1, len(matrix)) @ matrix).reshape(*windows.shape[:-1], 2, block)
    return bands.transpose(-3, -2).reshape(signal.shape)


def synthesise(bands: torch.Tensor, name: str) -> torch.Tensor:
    """The inverse, and the adjoint, of ``analyse``."""
    before, block = len(_filters(name)[0]) // 2 - 1, _block(bands.shape[-1])
    matrix = _synthesis(name, block)
    halves = bands.reshape(*bands.shape[:-1], 2, -1)
    windows = _circular(halves, before, 0).unfold(-1, block + before, block).transpose(-3, -2)
    return (windows.reshape(-1, len(matrix)) @ matrix).reshape(bands.shape)


def _circular(signal: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """The signal with some of its end before it and of its beginning behind it."""
    size = signal.shape[-1]
    if max(before, after) > size:
        return signal.index_select(-1, torch.arange(-before, size + after) % size)
    return torch.cat([signal[..., size - before :], signal, signal[..., :after]], -1)


def _block(size: int) -> int:
    """The greatest divisor of half the size that is at most ``BLOCK``."""
    return max(block for block in range(1, BLOCK + 1) if size // 2 % block == 0)


@cache
def _filters(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low and high analysis filters.

    Raises ValueError for a name that PyWavelets does not know, or a wavelet that is not orthogonal.
    """
    import pywt

    wavelet = pywt.Wavelet(name)
    if not wavelet.orthogonal:
        raise ValueError(f"wavelet {name} is not orthogonal")
    return tuple(wavelet.rec_lo), tuple(wavelet.rec_hi)


@cache
def _analysis(name: str, block: int) -> torch.Tensor:
    """[sample, low and high], of one block."""
    filters = _filters(name)
    taps = len(filters[0])
    matrix = torch.zeros(2 * block + taps - 2, 2 * block)
    for band, weights in enumerate(filters):
        for out in range(block):
            matrix[2 * out : 2 * out + taps, band * block + out] = torch.tensor(weights)
    return matrix


@cache
def _synthesis(name: str, block: int) -> torch.Tensor:
    """[low and high, sample], of one block."""
    filters = _filters(name)
    taps = len(filters[0])
    before = taps // 2 - 1
    matrix = torch.zeros(2 * (block + before), 2 * block)
    for band, weights in enumerate(filters):
        for index in range(block + before):
            for tap, weight in enumerate(weights):
                sample = 2 * (index - before) + tap
                if 0 <= sample < 2 * block:
                    matrix[band * (block + before) + index, sample] = weight
    return matrix
