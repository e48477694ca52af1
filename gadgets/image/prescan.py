"""The shading of the receive coils as a prescan measured it, with them and with the body coil."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.arrays import root_sum_of_squares, to_image
from gadgets.data import Heads, Image, SurfaceCoil
from gadgets.image.blur import blurred, bright
from gadgets.kspace.layout import Layout, layout
from gadgets.kspace.lines import Lines, allocate
from gadgets.scan import Scan

NARROWER = 0.4
"""The blur of two images of which only the ratio counts, relative to that of one image alone."""


@dataclass(kw_only=True, eq=False)
class _Part:
    """The lines of one slice (or slab), of one set of coils."""

    layout: Layout
    lines: Lines
    head: Heads

    @property
    def image(self) -> torch.Tensor:
        """Root sum of squares over the coils, float32 [z, y, x]."""
        kspace = torch.from_numpy(self.lines.mean())
        axes = tuple(axis for axis in (-3, -2, -1) if kspace.shape[axis] > 1)
        return root_sum_of_squares(to_image(kspace, axes))


@dataclass(kw_only=True, eq=False)
class Prescan:
    """Prescan-normalise lines (flag 29) as they come, and the shading that they tell.

    The set with most channels is that of the receive coils, one with fewer is the body coil.
    """

    scan: Scan
    parts: dict[tuple[int, int], dict[int, _Part]] = field(default_factory=dict)
    """By encoding space and slice, then by the number of channels."""

    def add(self, item: SurfaceCoil) -> None:
        """Lay readouts into their places. Raises DataError for what is no single Cartesian scan."""
        place = layout(self.scan, item.encoding)
        k2, k1 = place.place(item.head)
        _, coils, samples = item.data.shape
        for number in np.unique(item.head["idx"]["slice"]).tolist():
            rows = np.flatnonzero(item.head["idx"]["slice"] == number)
            known = self.parts.setdefault((item.encoding, number), {})
            if coils not in known:
                lines = allocate(item.encoding, (coils, *place.matrix, samples))
                known[coils] = _Part(layout=place, lines=lines, head=item.head[rows[0]].copy())
            average = item.head["idx"]["average"][rows].astype(np.intp)
            known[coils].lines.lay(item.data[rows], k2[rows], k1[rows], average)

    def shading(self, item: Image, width: float, threshold: float) -> torch.Tensor | None:
        """The receive coils' sensitivity at the pixels of an image, float32 [z, y, x], of any scale.

        The blurred image of the receive coils over that of the body coil, over the object alone; where the
        body coil was not used the former by itself. None where no slice of the prescan holds the image.
        """
        for (encoding, _), known in self.parts.items():
            most = known[max(known)]
            space = self.scan.encoding(encoding).encoded
            points = _points(item, most.head, space.fov, (*most.layout.matrix, most.lines.shape[-1]))
            if points is None:
                continue
            surface = most.image
            inside = bright(surface, threshold).float()
            flat = inside if len(known) == 1 else known[min(known)].image * inside
            wide = width if len(known) == 1 else width * NARROWER
            floor = 1e-3 * float(flat.max())
            ratio = blurred(surface * inside, wide) / (blurred(flat, wide) + floor)
            return _at(ratio, points)
        return None


def _points(
    item: Image, head: Heads, fov: tuple[float, float, float], shape: tuple[int, int, int]
) -> list[torch.Tensor] | None:
    """An image's pixels in those of the prescan, along (z, y, x), each [z, y, x]; None: it lies outside."""
    size = item.data.shape[-3:]
    where = _places(item.head, size)
    found = []
    for axis, name in enumerate(("slice_dir", "phase_dir", "read_dir")):
        away = (where - np.asarray(head["position"], np.float64)) @ np.asarray(head[name], np.float64)
        full = 1000 * fov[2 - axis]
        if abs(float(away[size[0] // 2, size[1] // 2, size[2] // 2])) > full / 2:
            return None
        found.append(torch.from_numpy(away / full * shape[axis] + shape[axis] // 2).float())
    return found


def _places(head: Heads, size: torch.Size) -> NDArray[np.float64]:
    """Where the pixels lie [mm], [z, y, x, 3]."""
    where: NDArray[Any] = np.asarray(head["position"], np.float64)
    for axis, name in enumerate(("slice_dir", "phase_dir", "read_dir")):
        step = float(head["field_of_view"][2 - axis]) / size[axis]
        along = (np.arange(size[axis]) - size[axis] // 2) * step
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        where = where + along.reshape(shape) * np.asarray(head[name], np.float64)
    return where


def _at(volume: torch.Tensor, points: list[torch.Tensor]) -> torch.Tensor:
    """Linear interpolation; beyond the edge, the edge."""
    grid = [
        2 * place / max(size - 1, 1) - 1 for place, size in zip(points[::-1], volume.shape[::-1], strict=True)
    ]
    found = torch.nn.functional.grid_sample(
        volume[None, None], torch.stack(grid, -1)[None], padding_mode="border", align_corners=True
    )
    return found[0, 0]
