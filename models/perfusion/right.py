"""The right ventricle of a slice: what a network drew, or the blood that comes first.

A network sees one image, in which lung beyond the free wall can look like a right ventricle. The bolus
decides: lung shares in it little.
"""

import math
from dataclasses import dataclass

import torch

from models.perfusion.muscle import Ends, insertions, septum
from models.perfusion.pools import inside
from models.perfusion.regions import center

APART = 60.0
"""Beyond this angle about the left ventricle two answers are two things [degree]."""

BLOOD = 0.5
"""Of the rise of known blood: what rises less is none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Right:
    """The right ventricle."""

    mask: torch.Tensor
    """Bool [y, x]; empty: none."""

    insertions: Ends | None
    """See ``models.perfusion.muscle.insertions``."""

    reasons: tuple[str, ...] = ()
    """Why this is not to be used."""

    disputed: str = ""
    """Why neither answer is to be used: both are blood."""

    remarks: tuple[str, ...] = ()
    """That the drawn one gave way."""


def right_ventricle(
    series: torch.Tensor,
    drawn: torch.Tensor,
    arrived: torch.Tensor,
    left: torch.Tensor,
    whole: torch.Tensor,
    pixel: float,
) -> Right:
    """What was ``drawn``, or the blood that ``arrived`` first, in a registered first pass [frame, y, x].

    ``left``: blood of the left ventricle; ``whole``: with its muscle; bool [y, x] all; ``pixel`` [m]. It
    inserts where the blood that came first does, as that is bright when nothing else is and a network's
    often ends early; and there it has to be drawn. What was drawn elsewhere gives way when it is no blood,
    which is remarked, and when it is both are disputed.
    """
    middle, arrived = center(left), arrived & ~whole
    by_arrival, by_drawing = (insertions(each, whole, middle, pixel) for each in (arrived, drawn))
    if not bool(drawn.any()):
        return Right(mask=arrived, insertions=by_arrival)
    if by_arrival is None:
        share = _rise(series, drawn) / max(_rise(series, left), 1e-12)
        said = f"right ventricle rises by {share:.2f} of the left one, expected {BLOOD:g}: no blood"
        return Right(mask=drawn, insertions=by_drawing, reasons=() if share >= BLOOD else (said,))
    away = _apart(middle, septum(middle, by_arrival), center(drawn))
    if away <= APART:
        return Right(mask=drawn, insertions=by_arrival)
    said = f"right ventricle drawn {away:.0f} degrees from where blood comes first, expected {APART:g}"
    share = _rise(series, drawn) / max(_rise(series, arrived), 1e-12)
    if share >= BLOOD:
        return Right(mask=arrived, insertions=by_arrival, reasons=(said,), disputed=said)
    remark = (
        f"{said}, where it rises by {share:.2f} of that blood: the blood is the right ventricle's contour"
    )
    return Right(mask=arrived, insertions=by_arrival, remarks=(remark,))


def _rise(series: torch.Tensor, mask: torch.Tensor) -> float:
    """Of the mean of a mask over its first frames."""
    curve = series[:, inside(mask)].mean(1)
    return float(curve.max() - curve[:4].mean())


def _apart(middle: tuple[float, float], one: tuple[float, float], other: tuple[float, float]) -> float:
    """The angle between two points (y, x) about a middle [degree]."""
    first, second = (math.atan2(y - middle[0], x - middle[1]) for y, x in (one, other))
    return abs(math.degrees((first - second + math.pi) % (2 * math.pi) - math.pi))
