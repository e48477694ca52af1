"""Receive coils: loops around the object, and the finite Fourier series that stand for their sensitivities.

A sensitivity that is a sum of few harmonics has an exact product with an analytic phantom in k-space, so that
simulated data hold no discretisation of the object. Source: M. Guerquin-Kern et al., IEEE Trans. Med. Imaging
31 (2012) 626, section III.B (sinusoidal model).
"""

import math
from dataclasses import dataclass

import torch

from models.simulation.phantom import positions

PERIOD = 2
"""The harmonics repeat after so many fields of view."""

HARMONICS = 6
"""The highest harmonic, per axis."""

_SEGMENTS = 48


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivities:
    """Coil sensitivities at any position: sum_m c[m] exp(2 pi i m r / (PERIOD fov))."""

    coefficients: torch.Tensor
    """complex128, [coil, my, mx]; index ``HARMONICS`` is the constant."""

    fov: tuple[float, float]
    """[m], (x, y)."""

    def maps(self, matrix: tuple[int, int]) -> torch.Tensor:
        """Sensitivities at the centres of the pixels of ``matrix`` (x, y), complex128 [coil, y, x]."""
        return self.at(*(positions(self.fov[axis], matrix[axis]) for axis in (0, 1)))

    def at(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Sensitivities on the grid of positions ``x`` and ``y`` [m], complex128 [coil, y, x]."""
        x, y = _harmonics(x, self.fov[0]), _harmonics(y, self.fov[1])
        return torch.einsum("yn,cnm,xm->cyx", y, self.coefficients, x)


def ring(coils: int, fov: tuple[float, float], z: float = 0.0, lift: float = 0.0) -> Sensitivities:
    """Sensitivities of equal loops on a circle around the axis, in the plane at ``z`` [m].

    With ``lift`` [m] they lie by turns so far above and below the isocentre, and encode along z, too.

    The series is fitted to Biot and Savart's law over the circle that holds the object; there the root of the
    sum of squares over the coils has mean 1.
    """
    half = max(fov) / 2
    x, y = (torch.linspace(-side / 2, side / 2, 49, dtype=torch.float64) for side in fov)
    inside = torch.hypot(x[None, :], y[:, None]) <= 1.02 * half
    fields = torch.stack([_field(coil, coils, half, x, y, z - lift * (-1) ** coil) for coil in range(coils)])
    fields /= torch.linalg.vector_norm(fields, dim=0)[inside].mean()
    basis = (_harmonics(y, fov[1])[:, None, :, None] * _harmonics(x, fov[0])[None, :, None, :])[inside]
    terms = 2 * HARMONICS + 1
    found = _ridge(basis.reshape(-1, terms * terms), fields[:, inside].T)
    return Sensitivities(coefficients=found.T.reshape(coils, terms, terms), fov=fov)


def _harmonics(position: torch.Tensor, fov: float) -> torch.Tensor:
    """complex128 [position, harmonic]."""
    order = torch.arange(-HARMONICS, HARMONICS + 1, dtype=torch.float64)
    phase = 2 * math.pi / (PERIOD * fov) * position[:, None] * order
    return torch.polar(torch.ones_like(phase), phase)


def _ridge(basis: torch.Tensor, values: torch.Tensor, relative: float = 1e-10) -> torch.Tensor:
    """Least squares with small coefficients."""
    normal = basis.mH @ basis
    weight = relative * torch.linalg.matrix_norm(normal).item()
    eye = torch.eye(len(normal), dtype=normal.dtype)
    solution: torch.Tensor = torch.linalg.solve(normal + weight * eye, basis.mH @ values)
    return solution


def _field(coil: int, coils: int, half: float, x: torch.Tensor, y: torch.Tensor, z: float) -> torch.Tensor:
    """Bx - i By of a unit current in one loop (Biot and Savart), complex128 [y, x], arbitrary scale."""
    angle = 2 * math.pi * coil / coils
    out = torch.tensor([math.cos(angle), math.sin(angle), 0.0], dtype=torch.float64)
    side = torch.tensor([-math.sin(angle), math.cos(angle), 0.0], dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    distance = 1.45 * half
    radius = distance * max(1.2 * math.pi / max(coils, 4), 0.2)
    turn = (2 * math.pi / _SEGMENTS * torch.arange(_SEGMENTS, dtype=torch.float64))[:, None]
    wire = distance * out + radius * (turn.cos() * side + turn.sin() * up)
    step = turn.cos() * up - turn.sin() * side
    grid = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.full((len(y), len(x)), z).double()], -1)
    away = grid[..., None, :] - wire
    cube = torch.linalg.vector_norm(away, dim=-1, keepdim=True) ** 3
    field = (torch.linalg.cross(step.expand_as(away), away) / cube).sum(-2)
    return torch.complex(field[..., 0], -field[..., 1])
