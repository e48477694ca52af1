"""Whether labels may be believed: reasons against it, found without any truth.

A network labels something in every picture. These rules know what a heart looks like in a stack of short-axis
slices, and what it does in a beat; what breaks one is refused with its reason.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.cardiac.regions import centre
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT, Labels, enclosed


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is still believed."""

    slices: int = 5
    """Slices with a left ventricle, one beside the other."""

    enclosed: float = 0.75
    """Mean part of the cavity's circumference that has muscle."""

    disagreement: float = 0.25
    """1 - Dice of the left ventricle between turned and mirrored looks at the same images."""

    beside: float = 0.25
    """Part of its slices in which there is a right ventricle, too: a ball in a shell is no heart."""

    round: float = 0.7
    """Area of the left ventricle over that of the ellipse with its moments, at least."""

    drift: float = 0.6
    """Way of the middle from slice to slice, in radii."""

    ejection: tuple[float, float] = (0.05, 0.90)
    mass: float = 0.35
    """Change of the muscle's volume from end-diastole to end-systole, as a part, that is doubted."""

    lost: float = 0.5
    """The same, beyond which one of the phases cannot show this heart."""

    edge: float = 0.5
    """Section of the first or last slice over the largest one, beyond which the stack seems cut off."""

    open: float = 0.65
    """The same of a slice whose wall does not go all the way round: the stack ends at the valves' plane, as
    the ventricle does."""

    ring: float = 0.9
    """Part of a cavity's circumference, below which its muscle does not go all the way round."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found."""

    reasons: tuple[str, ...] = ()
    """Why nothing may be measured; empty: it may."""

    doubts: tuple[str, ...] = ()
    """What the reader of the report has to know."""

    facts: dict[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """No reason against it."""
        return not self.reasons


def judge(
    labels: Labels, curves: NDArray[np.float64], disagreement: float | None, limits: Limits | None = None
) -> Verdict:
    """Judge the labels [slice, y, x] of end-diastole, the volumes [3, phase] and the looks' disagreement."""
    limits = limits or Limits()
    areas = np.isin(labels, (CAVITY, MUSCLE)).sum((1, 2)).astype(float)
    rings = [n for n in range(len(labels)) if (labels[n] == CAVITY).any() and (labels[n] == MUSCLE).any()]
    if not rings:
        return Verdict(reasons=("no left ventricle was found in any slice",), facts={"slices": 0})
    facts = _shape(labels, rings) | {"slices": float(len(rings))}
    if disagreement is not None:
        facts["disagreement"] = disagreement
    reasons = [*_against_shape(facts, limits), *_incomplete(areas, rings, labels, limits)]
    more, doubts = _beat(curves, facts, limits)
    beside = sum(bool((labels[index] == RIGHT).any()) for index in rings)
    if beside < limits.beside * len(rings):
        reasons.append(f"a right ventricle in {beside} of {len(rings)} slices of the left one: no heart")
    return Verdict(reasons=tuple(reasons + more), doubts=tuple(doubts), facts=facts)


def _shape(labels: Labels, rings: list[int]) -> dict[str, float]:
    closed, rounds, middles, radii = [], [], [], []
    for index in rings:
        cavity, muscle = labels[index] == CAVITY, labels[index] == MUSCLE
        closed.append(enclosed(cavity, muscle))
        rounds.append(roundness(cavity | muscle))
        middles.append(centre(cavity | muscle))
        radii.append(np.sqrt((cavity | muscle).sum() / np.pi))
    steps = [np.hypot(*np.subtract(one, other)) for one, other in pairwise(middles)]
    drift = float(np.median(steps) / max(np.median(radii), 1)) if steps else 0.0
    return {"enclosed": float(np.mean(closed)), "round": float(np.median(rounds)), "drift": drift}


def roundness(mask: NDArray[np.bool_]) -> float:
    """The smaller over the larger half axis of the ellipse with the mask's second moments."""
    rows, columns = np.nonzero(mask)
    if len(rows) < 3:
        return 0.0
    low, high = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])) + np.eye(2) / 12)
    return float(np.sqrt(max(low, 0.0) / high))


def _against_shape(facts: dict[str, float], limits: Limits) -> list[str]:
    reasons = []
    if facts["slices"] < limits.slices:
        reasons.append(f"a left ventricle in {facts['slices']:.0f} slices, expected {limits.slices} or more")
    if facts["enclosed"] < limits.enclosed:
        reasons.append(
            f"muscle around {facts['enclosed']:.0%} of the cavity, expected {limits.enclosed:.0%} or more:"
            " no short-axis view"
        )
    if facts["round"] < limits.round:
        reasons.append(f"the section's axes are as 1 to {facts['round']:.2f}: no short-axis view")
    if facts["drift"] > limits.drift:
        reasons.append(f"the middle moves by {facts['drift']:.1f} radii from slice to slice")
    if facts.get("disagreement", 0.0) > limits.disagreement:
        reasons.append(
            f"looks at the same images differ by {facts['disagreement']:.2f}, expected {limits.disagreement}"
            " or less"
        )
    return reasons


def _incomplete(areas: NDArray[np.float64], rings: list[int], labels: Labels, limits: Limits) -> list[str]:
    """A stack must go beyond the left ventricle at both ends, or end where it is small."""
    largest = float(areas.max())
    reasons = []
    for place, index in (("first", 0), ("last", len(areas) - 1)):
        if index in rings and areas[index] > _most(labels[index], limits) * largest:
            reasons.append(f"the {place} slice shows {areas[index] / largest:.0%} of the largest section")
    broken = [n for n in range(rings[0], rings[-1]) if n not in rings]
    if broken:
        reasons.append(f"slices {', '.join(str(n + 1) for n in broken)} within the stack show no ventricle")
    return reasons


def _most(section: Labels, limits: Limits) -> float:
    """What an end slice [y, x] may show of the largest section."""
    whole = enclosed(section == CAVITY, section == MUSCLE) >= limits.ring
    return limits.edge if whole else limits.open


def _beat(
    curves: NDArray[np.float64], facts: dict[str, float], limits: Limits
) -> tuple[list[str], list[str]]:
    if curves.shape[1] < 2:
        return [], ["one phase only: no ejection fraction"]
    cavity, muscle = curves[0], curves[1]
    ed, es = int(cavity.argmax()), int(cavity.argmin())
    facts["ef"] = float(1 - cavity[es] / cavity[ed]) if cavity[ed] else 0.0
    facts["mass change"] = float(abs(muscle[es] - muscle[ed]) / max(muscle[ed], 1e-9))
    low, high = limits.ejection
    reasons: list[str] = []
    doubts: list[str] = []
    if not low <= facts["ef"] <= high:
        reasons.append(f"ejection fraction {facts['ef']:.0%}, expected {low:.0%} to {high:.0%}")
    if facts["mass change"] > limits.mass:
        beyond = reasons if facts["mass change"] > limits.lost else doubts
        beyond.append(f"the muscle's volume changes by {facts['mass change']:.0%} in the beat")
    return reasons, doubts
