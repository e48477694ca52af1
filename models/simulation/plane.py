"""A slice plane in the patient, and points within its thickness."""

from dataclasses import dataclass

import torch

from models.simulation.phantom import positions

Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Positions [m] and directions in patient coordinates: left, posterior, superior."""

    center: Vector
    """Where pixel (n // 2, n // 2) lies."""

    column: Vector
    """Direction in which x rises."""

    row: Vector
    """Direction in which y rises."""

    fov: tuple[float, float]
    """(x, y)."""

    matrix: tuple[int, int]
    """Pixels, (x, y)."""

    thickness: float = 0.008

    @property
    def normal(self) -> Vector:
        """Column x row."""
        a, b = self.column, self.row
        return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]

    def points(self, fine: int = 1, layers: int = 1) -> torch.Tensor:
        """Positions of the middles of ``fine`` x ``fine`` parts of each pixel, in layers through the slice.

        float32, [(left, posterior, superior), layer, y, x].
        """
        x, y = (each.float() for each in self.offsets(fine))
        z = ((torch.arange(layers) + 0.5) / layers - 0.5) * self.thickness
        center, column, row, normal = (
            torch.tensor(each)[:, None, None, None]
            for each in (self.center, self.column, self.row, self.normal)
        )
        return (
            center
            + column * x[None, None, None, :]
            + row * y[None, None, :, None]
            + normal * z[None, :, None, None]
        )

    def offsets(self, fine: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances from the plane's centre of the middles of the parts, along x and y [m], float64."""
        x, y = (_parts(self.fov[axis], self.matrix[axis], fine) for axis in (0, 1))
        return x, y


def _parts(fov: float, points: int, fine: int) -> torch.Tensor:
    inside = ((torch.arange(fine, dtype=torch.float64) + 0.5) / fine - 0.5) * fov / points
    return (positions(fov, points)[:, None] + inside).reshape(-1)
