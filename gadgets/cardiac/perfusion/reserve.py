"""The perfusion reserve: flow under stress over flow at rest of the same patient, segment by segment.

Ratios are taken of segments, not of pixels: two scans minutes apart are not registered to each other.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.cardiac.perfusion.kept import OTHER, KeptFlow, state_of

LEAST = 0.2
"""Flow at rest below this [ml/min/g] is that of a scar: a ratio to it says nothing."""

SAME = 0.005
"""How far the haematocrits of two scans of one exam may be apart: flow goes as 1 / (1 - it). Also the
dispersions of their inputs [s]."""


@dataclass(frozen=True, kw_only=True)
class Reserve:
    """Ratios, or why there are none."""

    kept: KeptFlow
    """The other scan."""

    ratio: dict[int, float] = field(default_factory=dict)
    """Stress over rest, by segment, where both have flow."""

    sd: dict[int, float] = field(default_factory=dict)
    whole: float = math.nan
    """Of all of the muscle, where both scans have flow in the same segments."""

    refusals: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """What the page has to say of it."""
        if self.refusals:
            return tuple(f"no reserve: {each}" for each in self.refusals)
        return tuple(f"{self.kept.state} scan: {each}" for each in self.kept.flags)


def left_behind(item: FirstPass, whole: float) -> KeptFlow | None:
    """What a first pass leaves for a later one; None where no flow was given or nobody knows its state.

    None, too, where two slices have the same segments (more than three slices): one would stand for both.

    ``whole``: flow of all of the muscle [ml/min/g].
    """
    state = state_of(item.state)
    names = [name for one in item.slices for name in one.sectors]
    if item.refusals or not names or not state or len(set(names)) < len(names):
        return None
    sectors = {name: flow for one in item.slices for name, flow in one.sectors.items()}

    def values(name: str) -> tuple[float, ...]:
        return tuple(float(getattr(sectors[n], name)) if n in sectors else math.nan for n in range(1, 17))

    return KeptFlow(
        state=state,
        model=item.model,
        conversion=item.conversion,
        dispersion=item.dispersion,
        haematocrit=item.haematocrit,
        mbf=values("mbf"),
        sd=values("mbf_sd"),
        whole=whole,
        flags=item.flags,
    )


def reserve(own: KeptFlow | None, others: Iterable[KeptFlow]) -> Reserve | None:
    """The reserve with the other state's flow; None where this scan gave no flow or no other one is kept."""
    other = next((each for each in others if own is not None and each.state == OTHER[own.state]), None)
    if own is None or other is None:
        return None
    if against := other.refusals or _against(own, other):
        return Reserve(kept=other, refusals=against)
    stress, rest = (own, other) if own.state == "stress" else (other, own)
    ratio, sd = {}, {}
    for at, (high, low) in enumerate(zip(stress.mbf, rest.mbf, strict=True)):
        if math.isfinite(high) and math.isfinite(low) and low >= LEAST:
            ratio[at + 1] = high / low
            sd[at + 1] = high / low * math.hypot(stress.sd[at] / max(high, LEAST), rest.sd[at] / low)
    if not ratio:
        return Reserve(kept=other, refusals=(f"no segment has flow in both scans and {LEAST} at rest",))
    same = all(math.isfinite(one) == math.isfinite(two) for one, two in zip(own.mbf, other.mbf, strict=True))
    whole = stress.whole / rest.whole if same and rest.whole >= LEAST else math.nan
    return Reserve(kept=other, ratio=ratio, sd=sd, whole=whole)


def _against(own: KeptFlow, other: KeptFlow) -> tuple[str, ...]:
    """Why two scans have no ratio, though they are one patient's."""
    said = []
    if own.conversion != other.conversion:
        said.append(
            f"the {other.state} scan was converted by the {other.conversion} form, this by {own.conversion}"
        )
    if own.model != other.model:
        said.append(
            f"the {other.state} scan was fitted by {other.model.upper()}, this by {own.model.upper()}"
        )
    if not abs(own.dispersion - other.dispersion) <= SAME:
        said.append(
            f"the {other.state} scan assumes an input dispersed by {other.dispersion:.2f} s, this by"
            f" {own.dispersion:.2f} s"
        )
    if not abs(own.haematocrit - other.haematocrit) <= SAME:
        said.append(
            f"the {other.state} scan has haematocrit {other.haematocrit:.2f}, this {own.haematocrit:.2f}"
        )
    return tuple(said)


def painted(one: Slice, ratio: dict[int, float]) -> torch.Tensor:
    """The ratios as a map of a slice [y, x]; 0 where there is none."""
    if one.segments is None:
        raise ValueError("no map of the reserve: the slice has no segments")
    table = torch.zeros(17)
    for segment, value in ratio.items():
        table[segment] = value
    return table[one.segments.long()]
