"""The segments of the American Heart Association on a short-axis slice, and the halves of the wall.

Source: M. D. Cerqueira et al., Circulation 105 (2002) 539.
"""

import math
from typing import Literal

import torch

from models.cardiac.regions import Point

Level = Literal["basal", "mid", "apical"]

NAMES = (
    "basal anterior",
    "basal anteroseptal",
    "basal inferoseptal",
    "basal inferior",
    "basal inferolateral",
    "basal anterolateral",
    "mid anterior",
    "mid anteroseptal",
    "mid inferoseptal",
    "mid inferior",
    "mid inferolateral",
    "mid anterolateral",
    "apical anterior",
    "apical septal",
    "apical inferior",
    "apical lateral",
)
"""Of the segments 1 to 16."""

TERRITORY = ("LAD", "LAD", "RCA", "RCA", "LCX", "LCX") * 2 + ("LAD", "LAD", "RCA", "LCX")
"""The coronary artery that each segment is assigned to."""

FIRST = {"basal": 1, "mid": 7, "apical": 13}
"""The number of the anterior segment at each level."""


def segments(
    muscle: torch.Tensor, center: Point, anterior: Point, septum: Point, level: Level
) -> torch.Tensor:
    """The segment of each pixel of the muscle, uint8 [y, x]; 0 elsewhere.

    ``muscle`` bool [y, x]; ``center`` of the left ventricle; ``anterior`` insertion of the right ventricle,
    where the anterior segment ends and the anteroseptal one begins; ``septum`` any point towards which one
    goes from there across the septum (the inferior insertion, or the middle of the right ventricle): it
    decides the sense of rotation, so that no orientation of the image is assumed. Six segments of 60 degrees,
    at the apex four of 90, of which the septal one lies about the middle of the septum, 60 degrees on.
    """
    turn = turned(muscle.shape, center, anterior, septum)
    if level == "apical":
        four = ((turn + 75) / 90).floor().remainder(4)
        found = FIRST[level] + four
    else:
        six = (turn / 60 + 1).floor().remainder(6)
        found = FIRST[level] + six
    return (found * muscle).to(torch.uint8)


def turned(shape: torch.Size, center: Point, anterior: Point, septum: Point) -> torch.Tensor:
    """How far each pixel lies from the anterior insertion, across the septum, [0, 360) degrees, [y, x]."""
    start, towards = (_angle(point, center) for point in (anterior, septum))
    sense = 1.0 if (towards - start) % 360 <= 180 else -1.0
    y, x = (torch.arange(size, dtype=torch.float64) for size in shape[-2:])
    angle = torch.rad2deg(torch.atan2(y[:, None] - center[0], x[None] - center[1]))
    return (sense * (angle - start)).remainder(360)


def _angle(point: Point, center: Point) -> float:
    return math.degrees(math.atan2(point[0] - center[0], point[1] - center[1]))


def endocardial(muscle: torch.Tensor, cavity: torch.Tensor) -> torch.Tensor:
    """The inner half of the wall, bool [y, x]: pixels nearer to the cavity than to what lies outside.

    ``muscle`` and ``cavity`` bool [y, x]; all that is neither is outside.
    """
    at, inside, outside = (_places(each) for each in (muscle, cavity, ~(muscle | cavity)))
    found = torch.zeros_like(muscle)
    if len(at) == 0 or len(inside) == 0 or len(outside) == 0:
        return found
    inner = torch.cdist(at, inside).amin(1) <= torch.cdist(at, outside).amin(1)
    found[muscle] = inner
    return found


def _places(mask: torch.Tensor) -> torch.Tensor:
    return torch.nonzero(mask).to(torch.float32)
