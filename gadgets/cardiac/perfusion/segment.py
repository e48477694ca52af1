"""Muscle, blood and segments in each slice: by a network where its gate passes, else by arrival times."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from pydantic import Field

from gadgets.cardiac.perfusion.agreement import MOST, apart, astray, ordered
from gadgets.cardiac.perfusion.item import FirstPass, Frames, Slice
from gadgets.cardiac.perfusion.place import LATER, around, heart_in
from gadgets.cardiac.perfusion.said import gathered
from gadgets.data import Notes
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from models.cardiac.sectors import endocardial, segments
from models.errors import ModelError
from models.perfusion.muscle import Heart, find_muscle, septum
from models.perfusion.pools import Near, find_pools
from models.runner import Backend, serving, shared
from models.zoo import Model

Segmenter = Callable[[torch.Tensor, torch.Tensor, float], Heart]
"""From a registered series [frame, y, x], times [s] and a pixel [m] to the heart and what is against it."""

NO_FLOW = "no flow of its segments"

NETWORK = "network"
"""The origin of a heart that a network found."""


@dataclass(frozen=True, kw_only=True)
class SegmentMyocardium(Gadget):
    """Find blood and muscle in each slice, the insertion of the right ventricle, and the AHA segments.

    By a network for short-axis slices where its answer passes a gate, else by arrival times and contours,
    with a flag that says why. Which insertion is the anterior one is decided by the slice's orientation. A
    slice in which no heart is found that its gate passes, or another than in those beside it, has no segments
    and is flagged; where fewer than two of several slices are left the flow is refused.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = "short-axis"
    """One of ``scanside models list``; empty: arrival times and contours alone."""

    backend: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "torch"
    """What runs it."""

    def process(self, stream: Iterable[FirstPass], scan: Scan) -> Iterator[FirstPass]:
        """The first pass with its hearts; what a network segmented has its name and hash in the meta."""
        network = Network.lent(self.model, self.backend) if self.model else None
        for item in stream:
            done: list[Slice] = []
            flagged: list[tuple[int, str]] = []
            without: list[tuple[int, str]] = []
            alone = (network.said,) if network is not None and network.said else ()
            for number, one in enumerate(item.slices):
                where = near(one.frames, item)
                paths = [] if network is None else network.paths(where)
                heart = chosen(one.frames, [*paths, partial(classical, near=where)])
                found = _segmented(one, heart)
                if found.segments is None:
                    without.append((number, f"{_against(heart)}: {NO_FLOW}"))
                else:
                    flagged += [(number, remark) for remark in heart.remarks]
                if network is not None and heart.origin == NETWORK:
                    frames = found.frames
                    found = replace(found, frames=replace(frames, meta=network.named(frames.meta)))
                done.append(found)
                if heart.instead:
                    flagged.append((number, f"{heart.origin} contours instead of the {heart.instead}"))
            done, disagreed = agreeing(done)
            without += disagreed
            left = sum(one.segments is not None for one in done)
            enough = left >= min(2, len(done))
            yield replace(
                item,
                slices=tuple(done),
                refusals=(*item.refusals, *(() if enough else gathered(without))),
                flags=(*item.flags, *alone, *gathered(flagged), *(gathered(without) if enough else ())),
            )


def _against(heart: Heart) -> str:
    """Why a slice has no segments."""
    return heart.disputed or "; ".join(heart.reasons) or "no muscle found"


def agreeing(slices: list[Slice]) -> tuple[list[Slice], list[tuple[int, str]]]:
    """The slices, without segments where those beside disagree where the right ventricle inserts; and why."""
    known = [n for n, one in enumerate(slices) if one.segments is not None]
    wrong = {known[n]: away for n, away in astray(apart([slices[n] for n in known])).items()}
    said = [
        (
            number,
            f"insertion of the right ventricle differs by {away:.0f} degrees from slice to slice, expected at"
            f" most {MOST:g}: {NO_FLOW}",
        )
        for number, away in wrong.items()
    ]
    done = [replace(one, segments=None) if n in wrong else one for n, one in enumerate(slices)]
    return done, said


def chosen(frames: Frames, segmenters: Iterable[Segmenter]) -> Heart:
    """The first answer that its gate passes; else the last one, with its reasons.

    What any answer has for disputed stays so: another one would but take a side.
    """
    heart, before, disputed = None, "", ""
    for segmenter in segmenters:
        heart = segmenter(frames.even, frames.times, frames.side)
        disputed = disputed or heart.disputed
        if not heart.reasons:
            break
        before = before or f"{heart.origin}: {'; '.join(heart.reasons)}"
    if heart is None:
        raise ValueError("no segmenter")
    return replace(heart, instead=before if heart.origin not in before else "", disputed=disputed)


def near(frames: Frames, item: FirstPass) -> Near | None:
    """Where and when blood may be in a slice, by the arterial images; None when they do not say."""
    if item.arterial_frames is None or item.pools is None:
        return None
    mask = around(frames, heart_in(frames, item.arterial_frames, item.pools))
    return None if mask is None else Near(mask=mask, latest=item.pools.arrival[1] + LATER)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network for short-axis slices that serves a first pass, or why there is none."""

    model: Model | None = None
    backend: Backend | None = None
    said: str = ""
    """What a report has to say: no such model, or another backend than was asked for."""

    @classmethod
    def lent(cls, name: str, backend: str) -> "Network":
        """The one of a name."""
        try:
            model = shared(name)
            serves, instead = serving(model, backend)
        except ModelError as error:
            return cls(said=f"contours without the network: {error}")
        said = f"{serves.name} in place of {backend}: {instead}" if instead else ""
        return cls(model=model, backend=serves, said=said)

    def named(self, notes: Notes) -> Notes:
        """Meta of what it segmented: its name and hash, behind those of a network that made the images."""
        if self.model is None:
            return notes
        card, weights = self.model.card, self.model.sha256
        own = {"ScansideModel": f"{card.name} {card.version}", "ScansideModelHash": weights}
        if notes.get("ScansideModel", "none") != "none":
            own = {key: f"{notes.get(key, '')} + {value}" for key, value in own.items()}
        return {**notes, **own, "ScansideSegmentationModel": f"{card.name} {card.version} {weights[:12]}"}

    def paths(self, near: Near | None) -> list[Segmenter]:
        """It as a segmenter, where there is one."""
        return [] if self.model is None else [partial(self.heart, near=near)]

    def heart(
        self, series: torch.Tensor, times: torch.Tensor, pixel: float, near: Near | None = None
    ) -> Heart:
        """What it finds within its envelope."""
        from models.cardiac.reader import reading
        from models.perfusion.network import find_heart

        assert self.model is not None and self.backend is not None
        facts = {"pixel": 1000 * pixel, "lines": float(series.shape[-2]), "columns": float(series.shape[-1])}
        pools = find_pools(series, times, pixel, near)
        if faults := self.model.card.envelope.leaves(facts):
            reasons = tuple(f"outside of the model's envelope: {each}" for each in faults)
            return Heart.none(pools.left, reasons, NETWORK)
        return find_heart(reading(self.model, self.backend), series, times, pixel, pools)


def classical(series: torch.Tensor, times: torch.Tensor, pixel: float, near: Near | None = None) -> Heart:
    """By arrival and contours."""
    pools = find_pools(series, times, pixel, near)
    if not bool(pools.left.any()):
        return Heart.none(pools.left, pools.reasons, "classical")
    heart = find_muscle(series, pools, pixel)
    return replace(heart, reasons=(*pools.reasons, *heart.reasons))


def _segmented(one: Slice, heart: Heart) -> Slice:
    """With segments, where nothing is against the heart and the insertions are known."""
    if heart.reasons or heart.disputed or heart.insertions is None or not bool(heart.muscle.any()):
        return replace(one, heart=heart)
    anterior, _ = ordered(one.frames, heart.insertions)
    towards = septum(heart.center, heart.insertions)
    names = segments(heart.muscle, heart.center, anterior, towards, one.level)
    return replace(one, heart=heart, segments=names, inner=endocardial(heart.muscle, heart.left))
