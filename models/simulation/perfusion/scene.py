"""What lies in the pixels of a slice: shares of tissues and sectors, at each place of the diaphragm."""

import math
from dataclasses import dataclass, field, replace

import torch

from models.simulation.heart.beating import Moment
from models.simulation.perfusion.study import Study
from models.simulation.plane import Plane
from models.simulation.tissue import LEFT_CAVITY, LEFT_MUSCLE, Tissue

FINE = 2
LAYERS = 3
NEAR = 0.18
"""Side of the square about the heart that is laid out in ``LAYERS`` through the slice [m]."""

ROWS = len(Tissue) + 16
"""Tissues, and the sectors of the left ventricle's muscle."""

CAVITY, MUSCLE, RIGHT = 1, 2, 3
"""Labels of the true segmentation, as in a cine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """How many parts of each pixel are of which kind."""

    rows: torch.Tensor
    """Which of ``ROWS`` are there, int64 [row]."""

    counts: torch.Tensor
    """uint8, [row, y, x]."""

    parts: int
    """Of a pixel, in all."""

    @property
    def values(self) -> torch.Tensor:
        """float32, [row, y, x]; sum 1."""
        return self.counts.float() / self.parts

    def of(self, *which: int) -> torch.Tensor:
        """The part of some rows, [y, x]."""
        chosen = torch.isin(self.rows, torch.tensor(which))
        return self.counts[chosen].sum(0).float() / self.parts


@dataclass(kw_only=True, eq=False)
class Scene:
    """A slice of a study; keeps what it has laid out."""

    study: Study
    index: int
    """Of the slice; -1: the arterial image."""

    plane: Plane
    fine: int = FINE
    """Parts of a pixel along each axis."""

    kept: dict[float, Shares] = field(default_factory=dict)

    @property
    def moment(self) -> Moment:
        """The heart at the slice's moment of the cycle."""
        return self.study.patient.heart.at(self.study.phase(self.index))

    def shares(self, breath: float) -> Shares:
        """What the pixels hold when the diaphragm is so far down [m]."""
        key = round(breath, 6)
        if key not in self.kept:
            self.kept[key] = self._laid_out(key)
        return self.kept[key]

    def _laid_out(self, breath: float) -> Shares:
        phase = self.study.phase(self.index)
        plane = self.plane
        near = _near(plane)
        if near is None:
            return _counted(self._sectors(plane, phase, breath, LAYERS), self.fine)
        small, (ys, xs) = near
        rest = _counted(self._sectors(plane, phase, breath, 1), self.fine)
        fine = _counted(self._sectors(small, phase, breath, LAYERS), self.fine)
        rows = torch.unique(torch.cat([rest.rows, fine.rows]))
        counts = torch.zeros(len(rows), *rest.counts.shape[1:], dtype=torch.uint8)
        counts[torch.searchsorted(rows, rest.rows)] = rest.counts * LAYERS
        counts[:, ys, xs] = 0
        counts[torch.searchsorted(rows, fine.rows), ys, xs] = fine.counts
        return Shares(rows=rows, counts=counts, parts=fine.parts)

    def _sectors(self, plane: Plane, phase: float, breath: float, layers: int) -> torch.Tensor:
        """Rows of ``ROWS`` in parts, int64 [layer, y, x]."""
        patient = self.study.patient
        labels = patient.labels(plane, phase, breath, self.fine, layers).long()
        points = plane.points(self.fine, 1)[:, 0]
        x, y, _ = patient.pose.inside(points - torch.tensor(patient.moved(breath))[:, None, None])
        sector = aha(torch.atan2(y, x), self.insertions()[0], self.index, self.study.sequence.slices)
        muscle = torch.isin(labels, torch.tensor([int(each) for each in LEFT_MUSCLE]))
        return torch.where(muscle, len(Tissue) - 1 + sector, labels)

    def insertions(self) -> tuple[float, float]:
        """Angles at which the right ventricle meets the left one, anterior and inferior [rad]."""
        moment, z = self.moment, self.study.height(self.index) - self.moment.center
        theta = torch.linspace(-math.pi, math.pi, 2881, dtype=torch.float64)
        height = torch.full_like(theta, z)
        free = moment.right.distance(theta, height) > moment.outer.squared(theta, height).sqrt()
        if not free.any():
            return math.radians(60), math.radians(-60)
        return float(theta[free].max()), float(theta[free].min())

    def outline(self, theta: float) -> tuple[float, float]:
        """The left ventricle's outer surface at an angle, at end-expiration: pixel (y, x)."""
        z = self.study.height(self.index) - self.moment.center
        reach = float(self.moment.outer.squared(torch.tensor(theta), torch.tensor(z)).sqrt())
        return self.pixel(reach * math.cos(theta), reach * math.sin(theta))

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where the slice is crossed by a line along the heart's axis, at end-expiration: pixel (y, x)."""
        plane, pose = self.plane, self.study.patient.pose
        point = pose.outside(x, y, self.study.height(self.index))
        away = [a - b for a, b in zip(point, plane.center, strict=True)]
        size = plane.fov[0] / plane.matrix[0]
        along = [sum(a * b for a, b in zip(away, axis, strict=True)) for axis in (plane.row, plane.column)]
        return along[0] / size + plane.matrix[1] // 2, along[1] / size + plane.matrix[0] // 2

    def displacement(self, breath: float) -> tuple[float, float, float]:
        """Of the heart, from end-expiration: along y and x [pixel], through the slice [m]."""
        way, plane = self.study.patient.moved(breath), self.plane
        size = plane.fov[0] / plane.matrix[0]
        y, x, z = (
            sum(a * b for a, b in zip(way, axis, strict=True))
            for axis in (plane.row, plane.column, plane.normal)
        )
        return y / size, x / size, z


def scene(study: Study, index: int, box: int | None = None, halves: bool = False) -> Scene:
    """A slice (-1: the arterial image), or the square of ``box`` pixels about its middle.

    With ``halves`` its pixels are half as large: for k-space that knows more than the image shows.
    """
    sequence = study.sequence
    train = sequence.artery if index < 0 else sequence.muscle
    fov, matrix = sequence.fov, train.matrix
    if box is not None:
        fov, matrix = (box * fov[0] / matrix[0], box * fov[1] / matrix[1]), (box, box)
    if halves:
        matrix = (2 * matrix[0], 2 * matrix[1])
    plane = study.patient.short_axis(study.height(index), fov, matrix, sequence.thickness)
    return Scene(study=study, index=index, plane=plane, fine=1 if halves and index >= 0 else FINE)


def aha(theta: torch.Tensor, anterior: float, index: int, slices: int) -> torch.Tensor:
    """The sector of the American Heart Association, 1 to 16, at angles in the heart [rad]; int64.

    The first boundary, between anterior and anteroseptal, is where the right ventricle's free wall inserts
    anteriorly; from there it goes over the septum. ``index`` 0 is basal, 1 mid, 2 apical; one slice is mid.
    """
    turn = torch.rad2deg(anterior - theta) % 360
    level = 1 if slices == 1 else max(index, 0)
    if level == 2:
        return 13 + ((turn + 75) / 90).floor().long() % 4
    return 6 * level + 1 + ((turn + 60) / 60).floor().long() % 6


def segmented(shares: Shares) -> torch.Tensor:
    """The label that most of each pixel has, uint8 [y, x]."""
    sectors = tuple(range(len(Tissue), ROWS))
    classes = [shares.of(*map(int, LEFT_CAVITY)), shares.of(*sectors), shares.of(int(Tissue.RIGHT_BLOOD))]
    parts = torch.stack(classes)
    whole = torch.cat([1 - parts.sum(0, keepdim=True), parts])
    found: torch.Tensor = whole.argmax(0).to(torch.uint8)
    return found


def sectors_of(shares: Shares) -> torch.Tensor:
    """The sector that most of a muscle pixel belongs to, 1 to 16; 0 elsewhere; uint8 [y, x]."""
    parts = torch.stack([shares.of(row) for row in range(len(Tissue), ROWS)])
    found: torch.Tensor = ((parts.argmax(0) + 1) * (segmented(shares) == MUSCLE)).to(torch.uint8)
    return found


def _near(plane: Plane) -> tuple[Plane, tuple[slice, slice]] | None:
    """The square about the middle, and which pixels it has; None where the plane is not larger."""
    size = plane.fov[0] / plane.matrix[0]
    half = int(NEAR / 2 / size)
    x, y = plane.matrix
    if 2 * half >= min(x, y):
        return None
    small = replace(plane, fov=(2 * half * size, 2 * half * size), matrix=(2 * half, 2 * half))
    return small, (slice(y // 2 - half, y // 2 + half), slice(x // 2 - half, x // 2 + half))


def _counted(rows: torch.Tensor, fine: int) -> Shares:
    """Shares of pixels from the rows of their parts [layer, y, x]."""
    there = torch.unique(rows)
    layers, height, width = rows.shape
    parts = rows.reshape(layers, height // fine, fine, width // fine, fine).permute(0, 2, 4, 1, 3)
    flat = parts.reshape(-1, height // fine, width // fine)
    counts = torch.stack([(flat == row).sum(0, dtype=torch.uint8) for row in there])
    return Shares(rows=there, counts=counts, parts=len(flat))
