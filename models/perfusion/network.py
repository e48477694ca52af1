"""The heart in a first pass by the network for short-axis slices, and what is against its answer.

The network knows one image, no bolus: it is shown the brightest that each pixel becomes, in which both
ventricles are bright at once. What it says of the blood must then hold in time: the bolus fills its right
cavity, and its left one as much later as the lungs take.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from models.cardiac.gate import roundness
from models.cardiac.looks import EVEN
from models.cardiac.segment import Reader, Segmented, segment
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, enclosed
from models.perfusion.muscle import Heart
from models.perfusion.muscle import judged as against_muscle
from models.perfusion.pools import Pools, halfway
from models.perfusion.pools import judged as against_blood
from models.perfusion.regions import center
from models.perfusion.right import right_ventricle


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
    inserts and on which side it lies (``right_ventricle``).
    """
    found = segment(replace(reader, looks=EVEN), series.amax(0)[None, None], 1000 * pixel)
    left, muscle, right = (torch.from_numpy(found.labels[0, 0] == each) for each in (CAVITY, MUSCLE, RIGHT))
    if not bool(left.any()) or not bool(muscle.any()):
        return Heart.none(left, ("the network found no left ventricle",), "network")
    found_right = right_ventricle(series, right, pools.right, left, left | muscle, pixel)
    heart = Heart(
        left=left,
        muscle=muscle,
        right=found_right.mask,
        center=center(left),
        insertions=found_right.insertions,
        disputed=found_right.disputed,
        remarks=found_right.remarks,
        origin="network",
    )
    when = halfway(series, times, heart.right), halfway(series, times, left)
    reasons = (
        *_shape(found),
        *found_right.reasons,
        *against_blood(series, left, heart.right, when, pixel),
        *against_muscle(heart, series, pixel),
    )
    return Heart(**{**vars(heart), "reasons": reasons})


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
