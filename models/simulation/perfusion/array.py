"""A coil array close to the chest: loops on an ellipse about the slice."""

import math

import torch

AXES = (0.60, 0.62)
"""Half axes of the ellipse, in fields of view."""

THICK = 0.02
"""Of the conductors [m]: near them the field stays finite."""

SEGMENTS = 24
GRID = (49, 37)
"""Points at which fields are computed; between them they are interpolated by cubics."""


def array(coils: int, fov: tuple[float, float], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Sensitivities at distances ``x`` and ``y`` from the middle [m], complex64 [coil, y, x].

    The root of the sum of squares over the coils is 1 at the middle. Biot and Savart's law.
    """
    wide = [
        torch.linspace(-side * 0.52, side * 0.52, count, dtype=torch.float64)
        for side, count in zip(fov, GRID, strict=True)
    ]
    fields = torch.stack([_loop(coil, coils, fov, wide[0], wide[1]) for coil in range(coils)])
    at = torch.stack(torch.meshgrid(x / (0.52 * fov[0]), y / (0.52 * fov[1]), indexing="xy"), -1)[None]
    both = torch.view_as_real(fields).permute(3, 0, 1, 2)
    smooth = [
        torch.nn.functional.grid_sample(part[None], at, mode="bicubic", align_corners=True)[0]
        for part in (both[0], both[1])
    ]
    middle = torch.linalg.vector_norm(fields[:, GRID[1] // 2, GRID[0] // 2])
    found: torch.Tensor = (torch.complex(smooth[0], smooth[1]) / middle).to(torch.complex64)
    return found


def _loop(coil: int, coils: int, fov: tuple[float, float], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Bx - i By of a unit current, complex128 [y, x], arbitrary scale."""
    half = [part * side for part, side in zip(AXES, fov, strict=True)]
    angle = 2 * math.pi * coil / coils
    out = torch.tensor([math.cos(angle) / half[0], math.sin(angle) / half[1], 0.0], dtype=torch.float64)
    out = out / torch.linalg.vector_norm(out)
    side = torch.stack([-out[1], out[0], out[2]])
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    center = torch.tensor([half[0] * math.cos(angle), half[1] * math.sin(angle), 0.0], dtype=torch.float64)
    radius = 0.6 * math.pi * math.hypot(*half) * math.sqrt(2) / max(coils, 4)
    turn = (2 * math.pi / SEGMENTS * torch.arange(SEGMENTS, dtype=torch.float64))[:, None]
    wire = center + radius * (turn.cos() * side + turn.sin() * up)
    step = turn.cos() * up - turn.sin() * side
    grid = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.zeros(len(y), len(x)).double()], -1)
    away = grid[..., None, :] - wire
    cube = (away.square().sum(-1, keepdim=True) + THICK**2) ** 1.5
    field = (torch.linalg.cross(step.expand_as(away), away) / cube).sum(-2)
    return torch.complex(field[..., 0], -field[..., 1])
