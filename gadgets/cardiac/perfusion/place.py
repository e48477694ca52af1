"""Where a point of one image lies in another one of the same patient."""

import numpy as np
import torch

from gadgets.cardiac.perfusion.item import Frames
from models.perfusion.pools import Pools
from models.perfusion.regions import center

AROUND = 0.055
"""How far from the heart of the arterial images a slice's blood may lie [m]; other organs are farther."""

LATER = 1.5
"""How much later than there the left ventricle may fill [s]; liver, spleen and stomach do later."""


def heart_in(frames: Frames, arterial: Frames, pools: Pools) -> tuple[float, float] | None:
    """Where in a slice the heart of the arterial images lies: (y, x) [pixel]; None without one.

    Along the slices' normal, by the places of both in the patient.
    """
    if pools.reasons or not bool(pools.left.any()):
        return None
    y, x = center(pools.left)
    if bool(pools.right.any()):
        y, x = (0.75 * a + 0.25 * b for a, b in zip((y, x), center(pools.right), strict=True))
    sizes = arterial.signal.shape[-2:]
    point = arterial.head["position"].astype(float)
    for at, size, step, name in zip((y, x), sizes, arterial.pixel, ("phase_dir", "read_dir"), strict=True):
        point = point + 1e3 * step * (at - size / 2) * arterial.head[name].astype(float)
    away = point - frames.head["position"].astype(float)
    found = [
        float(np.dot(away, frames.head[name].astype(float))) / (1e3 * step) + size / 2
        for name, step, size in zip(
            ("phase_dir", "read_dir"), frames.pixel, frames.signal.shape[-2:], strict=True
        )
    ]
    return found[0], found[1]


def around(frames: Frames, point: tuple[float, float] | None) -> torch.Tensor | None:
    """The pixels within ``AROUND`` of a point, bool [y, x]; None without one."""
    if point is None:
        return None
    y = (torch.arange(frames.signal.shape[-2]) - point[0]) * frames.pixel[0]
    x = (torch.arange(frames.signal.shape[-1]) - point[1]) * frames.pixel[1]
    return torch.hypot(y[:, None], x[None, :]) <= AROUND
