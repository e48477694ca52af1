"""Images of a cine scan assembled by position into one stack."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Image
from gadgets.errors import DataError

TICK = 2.5e-3
"""Unit of the time stamps [s]."""

PARALLEL = 0.999
"""Cosine between the normals of slices of one stack."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Slices along their normal, each at the same phases."""

    images: tuple[tuple[Image, ...], ...]
    """[phase][slice]."""

    spacing: float
    """Between slices [mm]; the field of view along z of a single one."""

    pixel: tuple[float, float]
    """Sides of a pixel [mm], (y, x)."""

    left_out: int = 0
    """Images that belong to no stack: other planes, other sizes, moments that not all slices have."""

    @property
    def data(self) -> torch.Tensor:
        """Magnitudes, float32 [phase, slice, y, x]."""
        rows = [torch.stack([magnitude(one) for one in phase]) for phase in self.images]
        return torch.stack(rows)

    @property
    def voxel(self) -> float:
        """What a pixel stands for [ml]."""
        return self.pixel[0] * self.pixel[1] * self.spacing / 1000

    @property
    def up(self) -> tuple[float, float]:
        """Where anterior and superior lie in the images, (y, x)."""
        return up(self.images[0][0])

    @property
    def rate(self) -> float | None:
        """Heartbeats per minute, from the times since the trigger; None where they say nothing."""
        middle = len(self.images[0]) // 2
        times = [float(phase[middle].head["physiology_time_stamp"][0]) * TICK for phase in self.images]
        if len(times) < 3 or times[-1] <= times[0]:
            return None
        interval = (times[-1] - times[0]) * len(times) / (len(times) - 1)
        return 60 / interval if 0.2 < interval < 3 else None


def up(image: Image) -> tuple[float, float]:
    """Where anterior and superior lie in an image, (y, x); up in its rows where its header says nothing."""
    toward = np.array([0.0, -1.0, 1.0])
    y, x = (float(toward @ image.head[name].astype(float)) for name in ("phase_dir", "read_dir"))
    return (y, x) if abs(y) + abs(x) > 1e-3 else (-1.0, 0.0)


def assemble(images: Sequence[Image]) -> Stack:
    """The largest set of parallel slices of one size. Raises DataError where there is none."""
    planes: dict[tuple[int, ...], list[Image]] = {}
    normals: list[NDArray[np.float64]] = []
    for image in images:
        normal = image.head["slice_dir"].astype(float)
        same = [n for n, other in enumerate(normals) if abs(float(normal @ other)) > PARALLEL]
        if not same:
            normals.append(normal)
        planes.setdefault((same[0] if same else len(normals) - 1, *image.data.shape[-2:]), []).append(image)
    if not planes:
        raise DataError("no image for a stack of slices")
    best = max(planes.values(), key=len)
    places = _places(best)
    phases = min(len(each) for each in places.values())
    order = sorted(places)
    ranked = [sorted(places[at], key=lambda one: int(one.head["phase"]))[:phases] for at in order]
    height, width = best[0].data.shape[-2:]
    view = best[0].head["field_of_view"].astype(float)
    steps = np.diff(order)
    return Stack(
        images=tuple(tuple(each[phase] for each in ranked) for phase in range(phases)),
        spacing=float(np.median(steps)) if len(steps) else float(view[2]),
        pixel=(float(view[1]) / height, float(view[0]) / width),
        left_out=len(images) - phases * len(order),
    )


def _places(images: Sequence[Image]) -> dict[float, list[Image]]:
    """The images by their slice's place along the normal [mm]."""
    normal = images[0].head["slice_dir"].astype(float)
    found: dict[float, list[Image]] = {}
    for image in images:
        place = round(float(normal @ image.head["position"].astype(float)), 2)
        found.setdefault(place, []).append(image)
    return found


def side(image: Image) -> float:
    """Of an image's pixels, the mean of both [mm]."""
    height, width = image.data.shape[-2:]
    view = image.head["field_of_view"].astype(float)
    return float(np.mean([view[1] / height, view[0] / width]))


def place(image: Image) -> tuple[object, ...]:
    """What images of one slice have in common."""
    head = image.head
    where = (*head["slice_dir"].tolist(), *head["position"].tolist())
    return (int(head["slice"]), *where, *image.data.shape[-2:])


def magnitude(image: Image) -> torch.Tensor:
    """float32 [y, x]."""
    data = image.data[0, 0]
    return data.abs() if data.is_complex() else data.float().abs()
