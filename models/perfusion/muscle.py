"""The muscle of the left ventricle between its blood and what surrounds it: the classical path.

Every pixel's curve is compared with that of left and of right blood and of muscle; two contours are laid
through what that says. A network may take its place, see ``gadgets.cardiac.perfusion.segment``.
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import torch

from models.perfusion.contour import Wall, contours, polygon_mask, rays, sampled
from models.perfusion.curves import smoothed
from models.perfusion.pools import Pools
from models.perfusion.regions import center, grown
from models.perfusion.resample import blur

STEP = 0.5
"""Along a ray [pixel]."""

WALL = (0.004, 0.022, 0.009, 0.004)
"""Thickness [m]: least, most, expected, sd."""

FREE_WALL = 0.004
"""Thickness of the right ventricle's free wall [m]: 3 to 5 mm in adults."""

SPREAD = 0.3
"""Of the logarithm of muscle's brightness: coils, flow."""

OTHER = -2.5
"""Logarithm of how likely anything else is."""


Ends: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
"""Two places (y, x) [pixel]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Heart:
    """The parts of the heart in one slice."""

    left: torch.Tensor
    muscle: torch.Tensor
    right: torch.Tensor
    """Bool [y, x]."""

    center: tuple[float, float]
    """Of the left ventricle (y, x) [pixel]."""

    insertions: Ends | None
    """Where the right ventricle meets the left, (y, x) [pixel]: the septum goes from the first to the second
    towards growing atan2(y, x), whichever is the anterior one. None without right ventricle."""

    reasons: tuple[str, ...] = field(default=())
    """Why this is not to be used."""

    disputed: str = ""
    """Why no segments may be made, whatever else finds the heart: two answers for the right ventricle."""

    remarks: tuple[str, ...] = field(default=())
    """What a reader of the report has to know of it, though it is used."""

    origin: str = "classical"
    """What found it."""

    instead: str = ""
    """What was asked before, and why its answer is not used."""

    @classmethod
    def none(cls, mask: torch.Tensor, reasons: tuple[str, ...], origin: str) -> "Heart":
        """No heart in a slice of the shape of ``mask``, bool [y, x], and why."""
        nothing = torch.zeros_like(mask)
        return cls(
            left=nothing,
            muscle=nothing,
            right=nothing,
            center=(0.0, 0.0),
            insertions=None,
            reasons=reasons,
            origin=origin,
        )


def find_muscle(series: torch.Tensor, pools: Pools, pixel: float) -> Heart:
    """The muscle in a registered first pass, float32 [frame, y, x]; ``pixel`` [m]."""
    middle = center(pools.left)
    steps = int(0.055 / pixel / STEP)
    y, x = rays(middle, steps, STEP)
    curves = blur(series, 0.6)
    inner, outer = None, None
    wall = Wall(
        thin=max(2, round(WALL[0] / pixel / STEP)),
        thick=round(WALL[1] / pixel / STEP),
        expected=WALL[2] / pixel / STEP,
        sd=WALL[3] / pixel / STEP,
    )
    muscle = grown(pools.left, max(2, round(0.006 / pixel))) & ~grown(pools.left, 1) & ~grown(pools.right, 1)
    left = pools.left
    for _ in range(2):
        evidence = _evidence(curves, left, muscle, pools.right)
        inner, outer = contours(sampled(evidence, y, x), wall)
        left = polygon_mask(inner, middle, series.shape, STEP)
        muscle = polygon_mask(outer, middle, series.shape, STEP) & ~left
    right = pools.right & ~left & ~muscle
    found = Heart(
        left=left,
        muscle=muscle,
        right=right,
        center=middle,
        insertions=insertions(right, left | muscle, middle, pixel),
    )
    return Heart(**{**vars(found), "reasons": tuple(judged(found, series, pixel))})


def _evidence(
    curves: torch.Tensor, left: torch.Tensor, muscle: torch.Tensor, right: torch.Tensor
) -> torch.Tensor:
    """How likely each pixel is as blood, as muscle, and as neither, [3, y, x], logarithms.

    Blood is known by how much of the left ventricle's bolus it shows, muscle by its brightness before and
    long after the bolus, with a share of either ventricle's bolus against it; anything else is as likely
    everywhere.
    """
    share, bright = _share(curves, left, None), _brightness(curves, left)
    others = _share(curves, right, left) if bool(right.any()) else torch.zeros_like(share)
    ring = muscle & (share < 0.4) & (others < 0.4)
    ring = ring if int(ring.sum()) >= 8 else muscle
    blood = -(((share - 1) / 0.3).clamp(max=0).square()) / 2
    like = torch.zeros_like(share)
    for level in bright:
        usual = level[ring].median().clamp(min=1e-12)
        like = like - ((level.clamp(min=1e-3 * float(usual)) / usual).log() / SPREAD).square() / 2
    tissue = like - ((share - share[ring].median()).clamp(min=0) / 0.15).square() / 2
    tissue = tissue - (others.clamp(min=0) / 0.25).square() / 2
    return torch.stack([blood, tissue, torch.full_like(blood, OTHER)]).clamp(min=2 * OTHER)


def _share(curves: torch.Tensor, of: torch.Tensor, without: torch.Tensor | None) -> torch.Tensor:
    """How much of a pool's bolus each pixel shows, [y, x]; ``without``: while another pool is still empty."""
    pool = smoothed(_mean(curves, of), 0.6)
    start = max(2, int(torch.nonzero(pool - pool[:2].mean() > 0.1 * (pool.max() - pool[:2].mean()))[0]))
    rise = pool - pool[:start].mean()
    seen = rise > 0.6 * rise.max()
    if without is not None:
        other = smoothed(_mean(curves, without), 0.6)
        seen &= other - other[:start].mean() < 0.4 * (other.max() - other[:start].mean())
    if not bool(seen.any()):
        return torch.zeros_like(curves[0])
    answer: torch.Tensor = (curves[seen].mean(0) - curves[:start].mean(0)) / rise[seen].mean()
    return answer


def _brightness(curves: torch.Tensor, left: torch.Tensor) -> list[torch.Tensor]:
    """Brightness before and long after the bolus, [y, x] each."""
    pool = _mean(curves, left)
    peak = int(pool.argmax())
    start = max(2, int(torch.nonzero(pool - pool[:2].mean() > 0.1 * (pool.max() - pool[:2].mean()))[0]))
    late = min(len(curves) - 1, max(peak + 5, 2 * peak - start + 3))
    return [curves[:start].mean(0), curves[late:].mean(0)]


def _mean(curves: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The middle curve of a mask, [frame]; the median, since masks are not yet right."""
    if not bool(mask.any()):
        return curves.mean((1, 2))
    return curves[:, mask].median(1).values


def insertions(
    right: torch.Tensor, whole: torch.Tensor, middle: tuple[float, float], pixel: float
) -> Ends | None:
    """The first and the last direction in which the right ventricle lies against the left, (y, x) each.

    ``whole`` is blood and muscle of the left ventricle. The right ventricle's blood ends before the
    insertion, by the thickness of its free wall. None where less than 20 degrees of it touch.
    """
    touching = torch.nonzero(grown(whole, 4) & right).double()
    if len(touching) < 4:
        return None
    y, x = touching[:, 0] - middle[0], touching[:, 1] - middle[1]
    angle = torch.atan2(y, x)
    mean = torch.atan2(angle.sin().mean(), angle.cos().mean())
    away = (angle - mean + torch.pi).remainder(2 * torch.pi) - torch.pi
    first, last = (float(away.quantile(share) + mean) for share in (0.02, 0.98))
    if last - first < 0.35:
        return None
    radius = float((y.square() + x.square()).sqrt().median())
    first, last = (each + sign * FREE_WALL / (radius * pixel) for each, sign in ((first, -1), (last, 1)))
    ends = [
        (
            middle[0] + radius * float(torch.tensor(each).sin()),
            middle[1] + radius * float(torch.tensor(each).cos()),
        )
        for each in (first, last)
    ]
    return ends[0], ends[1]


def septum(middle: tuple[float, float], ends: Ends) -> tuple[float, float]:
    """A point (y, x) in the middle of the septum, from ``insertions`` about ``middle``."""
    first, last = (math.atan2(y - middle[0], x - middle[1]) for y, x in ends)
    angle = first + (last - first) % (2 * math.pi) / 2
    radius = math.dist(ends[0], middle)
    return middle[0] + radius * math.sin(angle), middle[1] + radius * math.cos(angle)


def judged(heart: Heart, series: torch.Tensor, pixel: float) -> list[str]:
    """What speaks against the contours."""
    said = []
    area = float(heart.muscle.sum()) * pixel**2
    if not 3e-4 <= area <= 60e-4:
        said.append(f"muscle of {1e4 * area:.1f} cm2, expected 3 to 60")
    if heart.insertions is None:
        said.append("right ventricle does not touch the left one: no insertion point")
    if bool(heart.left.any()) and bool(heart.muscle.any()):
        rise = [
            float((c := series[:, each].mean(1)).amax() - c[:4].mean()) for each in (heart.muscle, heart.left)
        ]
        if not 0.03 < rise[0] / max(rise[1], 1e-12) < 0.8:
            said.append(
                f"muscle rises by {rise[0] / max(rise[1], 1e-12):.2f} of the blood, expected 0.03 to 0.8"
            )
    return said
