"""The modified Shepp-Logan head: its exact spectrum and its raster.

Sources: P. A. Toft, The Radon Transform, thesis, DTU 1996 (the contrasts); M. Van de Walle et al., IEEE
Trans. Med. Imaging 19 (2000) 1160 (the Fourier transform of an ellipse).
"""

import math
from dataclasses import dataclass

import torch

_TABLE = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)


@dataclass(frozen=True, kw_only=True)
class Ellipse:
    """A region of uniform signal."""

    intensity: float
    axes: tuple[float, float]
    """Half axes [m], along its own x and y."""

    center: tuple[float, float]
    """Position [m], (x, y)."""

    angle: float
    """From the x axis to its own [rad]."""


def shepp_logan(size: float, scale: float = 1.0, rotation: float = 0.0) -> tuple[Ellipse, ...]:
    """The ellipses of a head that fills a square of side ``size`` [m].

    They are scaled and rotated [rad] about the centre. The y axis points down the image (posterior), so that
    the head's front is at the top.
    """
    half = scale * size / 2
    return tuple(_ellipse(row, half, rotation) for row in _TABLE)


def _ellipse(row: tuple[float, ...], half: float, rotation: float) -> Ellipse:
    intensity, a, b, x, y, degrees = row
    cos, sin = math.cos(rotation), math.sin(rotation)
    return Ellipse(
        intensity=intensity,
        axes=(a * half, b * half),
        center=(half * (cos * x + sin * y), half * (sin * x - cos * y)),
        angle=rotation - math.radians(degrees),
    )


def spectrum(ellipses: tuple[Ellipse, ...], kx: torch.Tensor, ky: torch.Tensor) -> torch.Tensor:
    """The Fourier transform, integral of signal times exp(-2 pi i k r) [m^2], complex128 [ky, kx].

    ``kx`` and ``ky`` are spatial frequencies [1/m].
    """
    x, y = kx.double()[None, :], ky.double()[:, None]
    out = torch.zeros(len(ky), len(kx), dtype=torch.complex128)
    for one in ellipses:
        cos, sin = math.cos(one.angle), math.sin(one.angle)
        a, b = one.axes
        radius = torch.hypot(a * (cos * x + sin * y), b * (cos * y - sin * x))
        phase = -2 * math.pi * (x * one.center[0] + y * one.center[1])
        out += torch.polar(one.intensity * math.pi * a * b * _jinc(2 * math.pi * radius), phase)
    return out


def _jinc(argument: torch.Tensor) -> torch.Tensor:
    """2 J1(z) / z, 1 at 0."""
    safe = argument.clamp_min(1e-9)
    ratio: torch.Tensor = 2 * torch.special.bessel_j1(safe) / safe
    return ratio


def raster(
    ellipses: tuple[Ellipse, ...], fov: tuple[float, float], matrix: tuple[int, int], samples: int = 8
) -> torch.Tensor:
    """The mean signal over each pixel from ``samples`` x ``samples`` points, float32 [y, x].

    ``fov`` [m] and ``matrix`` are (x, y); pixel n // 2 has its centre at position 0.
    """
    x = _points(fov[0], matrix[0], samples)[None, :]
    y = _points(fov[1], matrix[1], samples)[:, None]
    fine = torch.zeros(y.shape[0], x.shape[1])
    for one in ellipses:
        cos, sin = math.cos(one.angle), math.sin(one.angle)
        dx, dy = x - one.center[0], y - one.center[1]
        u, v = (cos * dx + sin * dy) / one.axes[0], (cos * dy - sin * dx) / one.axes[1]
        fine += one.intensity * (u * u + v * v <= 1)
    return fine.reshape(matrix[1], samples, matrix[0], samples).mean((1, 3))


def positions(fov: float, points: int) -> torch.Tensor:
    """Centres of the pixels along one axis [m], float64 [point]; n // 2 lies at 0."""
    return (torch.arange(points, dtype=torch.float64) - points // 2) * (fov / points)


def _points(fov: float, points: int, samples: int) -> torch.Tensor:
    inside = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5
    return (positions(fov, points)[:, None] + inside * (fov / points)).reshape(-1).float()
