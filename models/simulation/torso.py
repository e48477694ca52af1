"""The chest around the heart: fat, muscle, ribs, lungs, liver, stomach, spleen, spine and descending aorta.

Coordinates [m] from the middle of the chest: left, posterior, superior.
"""

import math
from dataclasses import dataclass

import torch

from models.simulation.tissue import Tissue


@dataclass(frozen=True, kw_only=True)
class Torso:
    """Sizes of a chest."""

    half: tuple[float, float] = (0.170, 0.115)
    """Half width and half depth of the body."""

    squareness: float = 2.5
    fat: float = 0.014
    """Thickness under the skin."""

    wall: float = 0.016
    """Thickness of muscles and ribs."""

    rib: float = 0.032
    """Distance from rib to rib."""

    mediastinum: tuple[float, float] = (0.045, 0.085)
    """Half width and half depth of what lies between the lungs."""

    diaphragm: float = -0.045
    """Height of the diaphragm beneath the heart, at the end of expiration."""

    dome: float = 0.030
    """How much higher its right dome is."""

    stomach: tuple[float, float, float] = (0.070, 0.010, -0.085)
    aorta: float = 0.0115
    """Radius of the descending aorta."""

    spine: float = 0.019
    """Radius of a vertebra."""

    def labels(self, points: torch.Tensor, breath: float) -> torch.Tensor:
        """Tissue at each point, uint8; ``points`` [3, ...]; ``breath`` [m]: how far the diaphragm is down."""
        x, y, z = points
        wall = 1 + 0.15 * breath
        depth = self.half[1] * wall
        out = torch.full(x.shape, int(Tissue.AIR), dtype=torch.uint8)
        edge = self._edge(x, y, self.half[0], depth, 0.0)
        _paint(out, edge, Tissue.FAT)
        muscle = self._edge(x, y, self.half[0], depth, self.fat)
        _paint(out, muscle, Tissue.MUSCLE)
        self._bones(out, x, y, z, depth)
        inner = self._edge(x, y, self.half[0], depth, self.fat + self.wall)
        _paint(out, inner, Tissue.LUNG)
        _paint(out, inner & self._middle(x, y), Tissue.FAT)
        self._abdomen(out, inner, x, y, z + breath)
        self._spine(out, x, y, z, depth)
        return out

    def _edge(
        self, x: torch.Tensor, y: torch.Tensor, width: float, depth: float, within: float
    ) -> torch.Tensor:
        power = self.squareness
        reach = (x.abs() / (width - within)) ** power + (y.abs() / (depth - within)) ** power
        return reach <= 1

    def _middle(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        width, depth = self.mediastinum
        return (x / width) ** 2 + (y / (depth * 1.3)) ** 4 <= 1

    def _bones(
        self, out: torch.Tensor, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, depth: float
    ) -> None:
        """Ribs fall towards the front; the sternum."""
        low, high = self.fat + 0.3 * self.wall, self.fat + 0.75 * self.wall
        ring = self._edge(x, y, self.half[0], depth, low) & ~self._edge(x, y, self.half[0], depth, high)
        along = z - 0.35 * y
        ribs = ring & (torch.cos(2 * math.pi * along / self.rib) > 0.45)
        _paint(out, ribs, Tissue.MARROW)
        sternum = ring & (x.abs() < 0.018) & (y < 0)
        _paint(out, sternum, Tissue.MARROW)

    def _abdomen(
        self, out: torch.Tensor, inner: torch.Tensor, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor
    ) -> None:
        right = ((x + 0.075) / 0.085) ** 2 + (y / 0.11) ** 2
        left = ((x - 0.075) / 0.085) ** 2 + ((y - 0.02) / 0.11) ** 2
        height = self.diaphragm + self.dome * torch.exp(-right * 1.2) + 0.6 * self.dome * torch.exp(-left * 2)
        below = inner & (z < height)
        _paint(out, below, Tissue.FAT)
        _paint(out, below & (x < 0.045 - 0.4 * (y + 0.03)) & (y < 0.085), Tissue.LIVER)
        sx, sy, sz = self.stomach
        stomach = ((x - sx) / 0.055) ** 2 + ((y - sy) / 0.045) ** 2 + ((z - sz) / 0.055) ** 2 <= 1
        _paint(out, below & stomach, Tissue.STOMACH)
        spleen = ((x - 0.11) / 0.03) ** 2 + ((y - 0.065) / 0.04) ** 2 + ((z + 0.075) / 0.05) ** 2 <= 1
        _paint(out, below & spleen, Tissue.SPLEEN)

    def _spine(
        self, out: torch.Tensor, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, depth: float
    ) -> None:
        back = depth - self.fat - self.spine - 0.022
        vertebra = torch.hypot(x / 1.15, y - back)
        _paint(out, vertebra <= self.spine, Tissue.BONE)
        disk = torch.cos(2 * math.pi * z / 0.03) > 0.8
        _paint(out, (vertebra <= self.spine - 0.0015) & ~disk, Tissue.MARROW)
        _paint(out, (vertebra <= self.spine - 0.0015) & disk, Tissue.WALL)
        canal = torch.hypot(x / 1.2, y - back - self.spine - 0.008)
        _paint(out, canal <= 0.008, Tissue.FLUID)
        _paint(out, canal <= 0.0045, Tissue.MUSCLE)
        vessel = torch.hypot(x - 0.024, y - back + self.spine - 0.002)
        _paint(out, vessel <= self.aorta + 0.0015, Tissue.WALL)
        _paint(out, vessel <= self.aorta, Tissue.AORTA)


def _paint(out: torch.Tensor, where: torch.Tensor, tissue: Tissue) -> None:
    out.masked_fill_(where, int(tissue))
