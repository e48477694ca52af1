"""The heart in a first pass by the network for short-axis slices, and what is against its answer.

The network knows one image, no bolus: it is shown the brightest that each pixel becomes, in which both
ventricles are bright at once. What it says of the blood must then hold in time: the bolus fills its right
cavity, and its left one as much later as the lungs take.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from models.cardiac.gate import roundness
from models.cardiac.segment import Reader, Segmented, segment
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, enclosed
from models.perfusion.muscle import Heart, insertions
from models.perfusion.muscle import judged as against_muscle
from models.perfusion.pools import Pools, halfway
from models.perfusion.pools import judged as against_blood
from models.perfusion.regions import center


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is still believed."""

    disagreement: float = 0.25
    """1 - Dice of the left ventricle between turned and mirrored looks."""

    round: float = 0.6
    enclosed: float = 0.75
    """Part of the cavity's circumference that has muscle."""


def find_heart(
    reader: Reader, series: torch.Tensor, times: torch.Tensor, pixel: float, pools: Pools
) -> Heart:
    """The heart in a registered first pass, float32 [frame, y, x], at ``times`` [s]; ``pixel`` [m].

    ``pools``, from arrival times, lend a right ventricle where the network sees none, and say where it
    inserts: its blood is bright when nothing else is, and the network's often ends early.
    """
    found = segment(reader, series.amax(0)[None, None], 1000 * pixel)
    left, muscle, right = (torch.from_numpy(found.labels[0, 0] == each) for each in (CAVITY, MUSCLE, RIGHT))
    if not bool(left.any()) or not bool(muscle.any()):
        return Heart.none(left, ("the network found no left ventricle",), "network")
    right = right if bool(right.any()) else pools.right & ~left & ~muscle
    middle = center(left)
    heart = Heart(
        left=left,
        muscle=muscle,
        right=right,
        center=middle,
        insertions=_insertions((pools.right & ~left & ~muscle, right), left | muscle, middle, pixel),
        origin="network",
    )
    when = halfway(series, times, right), halfway(series, times, left)
    reasons = (
        *_shape(found),
        *against_blood(series, left, right, when, pixel),
        *against_muscle(heart, series, pixel),
    )
    return Heart(**{**vars(heart), "reasons": reasons})


def _insertions(
    rights: Iterable[torch.Tensor], whole: torch.Tensor, middle: tuple[float, float], pixel: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Of the first right ventricle that touches the left one."""
    found = (insertions(right, whole, middle, pixel) for right in rights)
    return next((ends for ends in found if ends is not None), None)


def _shape(found: Segmented, limits: Limits | None = None) -> list[str]:
    limits, labels = limits or Limits(), found.labels[0, 0]
    closed = enclosed(labels == CAVITY, labels == MUSCLE)
    shape = roundness(np.isin(labels, (CAVITY, MUSCLE)))
    said = []
    if found.disagreement > limits.disagreement:
        said.append(
            f"looks at the image differ by {found.disagreement:.2f}, expected at most {limits.disagreement}"
        )
    if closed < limits.enclosed:
        said.append(f"muscle around {closed:.0%} of the cavity, expected at least {limits.enclosed:.0%}")
    if shape < limits.round:
        said.append(f"the section's axes are as 1 to {shape:.2f}, expected at least {limits.round}")
    return said
