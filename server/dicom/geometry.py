"""Where the pixels of an image lie, as DICOM says it: the centre of the first one, and the two directions."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads

TOLERANCE = 1e-3
"""By how much directions may miss unit length or orthogonality."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One plane of an image."""

    position: tuple[float, float, float]
    """Centre of the first pixel [mm, LPS]."""

    orientation: tuple[float, ...]
    """Direction of growing column index, then of growing row index."""

    spacing: tuple[float, float]
    """Distance of rows, then of columns [mm]."""

    thickness: float
    """[mm]."""

    location: float
    """Along the normal [mm]."""


def plane(head: Heads, shape: tuple[int, int, int], z: int) -> Plane | None:
    """The plane ``z`` of an image of ``shape`` (z, y, x); None when its header gives no usable directions.

    The header's position is that of the pixel n // 2 along each axis (the centre of the transform).
    """
    read, phase, normal = (np.asarray(head[name], float) for name in ("read_dir", "phase_dir", "slice_dir"))
    if not _orthonormal(read, phase, normal):
        return None
    fov = np.asarray(head["field_of_view"], float)
    if not (fov > 0).all():
        return None
    size_x, size_y, size_z = (fov[axis] / shape[2 - axis] for axis in range(3))
    first = np.asarray(head["position"], float)
    first = first - read * size_x * (shape[2] // 2) - phase * size_y * (shape[1] // 2)
    first = first + normal * size_z * (z - shape[0] // 2)
    return Plane(
        position=_triple(first),
        orientation=tuple(round(float(each), 9) for each in (*read, *phase)),
        spacing=(float(size_y), float(size_x)),
        thickness=float(size_z),
        location=round(float(first @ normal), 6),
    )


def _orthonormal(*directions: NDArray[np.float64]) -> bool:
    matrix = np.stack(directions)
    return bool(np.isfinite(matrix).all()) and bool(
        np.abs(matrix @ matrix.T - np.eye(3)).max() < math.sqrt(TOLERANCE) / 10
    )


def _triple(place: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(each), 6) for each in place)
    return x, y, z
