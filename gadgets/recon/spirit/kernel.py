"""The SPIRiT kernel: every sample of every coil from its neighbours in all coils."""

import math

import torch

from gadgets.errors import DataError
from gadgets.kspace.coilmaps.espirit import Field


def calibrate(lines: torch.Tensor, kernel: int, regularization: float) -> Field:
    """The kernel over the image, from gapless lines, complex64 [coil, k2, k1, k0].

    The weights of one coil solve (A^H A + lambda trace(A^H A) / n) w = A^H a without the sample made itself.
    With Q the inverse of the whole left side, sample j included, w = -Q[:, j] / Q[j, j]: one inverse serves
    all coils. (Lustig and Pauly, MRM 64:457, 2010, section "Calibration".)
    Raises DataError for fewer lines or samples than the kernel has.
    """
    coils, *points = lines.shape
    size = [1 if have == 1 else kernel for have in points]
    if any(have < need for have, need in zip(points, size, strict=True)):
        raise DataError(
            f"SPIRiT needs at least {kernel} reference lines and samples for its kernel of {kernel}, got "
            f"{' x '.join(map(str, points))} (k2, k1, k0)"
        )
    patches = lines
    for axis, number in enumerate(size):
        patches = patches.unfold(1 + axis, number, 1)
    rows = patches.permute(1, 2, 3, 0, 4, 5, 6).reshape(-1, coils * math.prod(size))
    normal = (rows.mH @ rows).to(torch.complex128)
    normal.diagonal().add_(regularization * float(normal.diagonal().real.mean()))
    factor, failed = torch.linalg.cholesky_ex(normal)
    if int(failed) or not bool(torch.isfinite(factor).all()):
        raise DataError(
            f"the reference lines do not determine a kernel: lambda = {regularization} is too small"
        )
    inverse = torch.cholesky_inverse(factor)
    own = torch.arange(coils) * math.prod(size) + math.prod(size) // 2
    weights = -inverse[:, own] / inverse[own, own]
    weights[own, torch.arange(coils)] = 0
    return Field(lags=weights.reshape(coils, *size, coils).movedim(-1, 1).to(torch.complex64).contiguous())
