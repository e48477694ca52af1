"""From registered signals to maps of blood flow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.cardiac.perfusion.convert import concentration
from gadgets.cardiac.perfusion.doubts import doubts, unevenness
from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.cardiac.perfusion.pictures import derived
from gadgets.cardiac.perfusion.said import gathered
from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from models.kinetics.blood import HAEMATOCRIT
from models.perfusion.arterial import Arterial
from models.perfusion.conversion import Form
from models.perfusion.curves import STEP as GRID
from models.perfusion.fit import Fitted
from models.perfusion.flow import DISPERSION, SECONDS, STEP, Flow, Kinetics, kinetics
from models.perfusion.regions import eroded

MAPS = ("mbf", "ps", "vb", "visf", "delay", "error")

ENOUGH = 6
"""Pixels of a part's mean curve."""

PERCENT = {"vb": 100.0, "visf": 100.0, "error": 100.0}
"""From ml/g to ml/100 g, from a part to percent."""


@dataclass(frozen=True, kw_only=True)
class QuantifyFlow(Gadget):
    """Concentrations, and flow by a kinetic model: of each segment, of its halves, of each pixel.

    Sends the concentration series and the maps of each slice that has segments. Nothing is quantified when
    there is a reason against it; where fewer than two of several slices have flow, the reason is what took it
    from the others.
    """

    model: Literal["btex", "2cxm", "fermi"] = "btex"
    """``btex``: exchange along a capillary; ``2cxm``: two mixed compartments; ``fermi``: flow alone."""

    conversion: Form = "closed"
    """What the muscle's look-up table is made of: the ``closed`` form, or the ``bloch`` equations."""

    dispersion: Annotated[float, Field(ge=0, le=2)] = DISPERSION
    """Mean dispersion of the bolus on its way from the ventricle to the muscle [s]; 0: none."""

    poor: Annotated[float, Field(gt=0)] = 0.08
    """Beyond this difference to the fit, over the curve's peak, a segment is flagged."""

    def process(self, stream: Iterable[FirstPass], scan: Scan) -> Iterator[FirstPass | Image]:
        """The first pass with its flow; before it the series of concentrations and the maps."""
        ready = self._ready(HAEMATOCRIT)
        for given in stream:
            item = replace(given, model=self.model, dispersion=self.dispersion)
            if item.haematocrit != HAEMATOCRIT:
                ready = self._ready(item.haematocrit)
            if item.refusals or item.arterial is None or item.protocol is None:
                yield item
                continue
            slices, against = [], list[tuple[int, str]]()
            for number, one in enumerate(item.slices):
                if one.segments is None:
                    slices.append(one)
                    continue
                held, said = concentration(one, item.arterial, item.protocol, self.conversion)
                against += [(number, each) for each in said]
                slices.append(self._slice(held, item.arterial, ready))
            forms = f"{item.conversion}/{item.protocol.tissue(self.conversion).form}"
            own = () if forms == "closed/closed" else (f"concentration of blood/muscle: {forms} form",)
            if sum(bool(one.sectors) for one in slices) < min(2, len(slices)):
                yield replace(item, refusals=(*item.refusals, *gathered(against)))
                continue
            for one in slices:
                yield from _images(one)
            flags = (*item.flags, *gathered(against), *doubts(slices, self.poor), *own)
            yield replace(item, slices=tuple(slices), flags=flags, conversion=forms)

    def _ready(self, haematocrit: float) -> Kinetics:
        return replace(kinetics(self.model, haematocrit), dispersion=self.dispersion)

    def _slice(self, one: Slice, arterial: Arterial, ready: Kinetics) -> Slice:
        if one.gadolinium is None or one.segments is None or one.heart is None or one.inner is None:
            return one
        used = self._moments(one, arterial)
        moments = one.frames.times[used]
        answers = ready.answers(*arterial.at(STEP), moments)
        curves = one.gadolinium[used][:, one.heart.muscle].double().mT
        names = one.segments[one.heart.muscle]
        inner = one.inner[one.heart.muscle]
        present = [name for name in sorted(set(names.tolist())) if name]
        keys: list[tuple[int, str]] = [(name, "") for name in present]
        core = eroded(one.heart.muscle)[one.heart.muscle]
        masks = [within(names == name, core) for name in present]
        for half, mask in (("endo", inner), ("epi", ~inner)):
            for name in present:
                if int((both := (names == name) & mask).sum()) >= 3:
                    keys.append((name, half))
                    masks.append(within(both, core))
        means = torch.stack([curves[mask].mean(0) for mask in masks])
        found, fitted = ready.sectors(means, answers)
        row = torch.tensor([present.index(int(name)) for name in names])
        pixels = ready.pixels(curves, answers, _rows(fitted, row))
        each = {key: _row(found, at) for at, key in enumerate(keys)}
        return replace(
            one,
            pixels=pixels,
            sectors={name: flow for (name, half), flow in each.items() if not half},
            halves={key: flow for key, flow in each.items() if key[1]},
            uneven={
                name: unevenness(curves[mask])
                for (name, half), mask in zip(keys, masks, strict=True)
                if not half
            },
        )

    def _moments(self, one: Slice, arterial: Arterial) -> torch.Tensor:
        """The frames that count: those that the table covers; for Fermi those of the first pass."""
        times, start = one.frames.times, float(arterial.times[0])
        used = times < min(start + SECONDS - 1, float(arterial.times[-1]) + 0.5)
        if self.model == "fermi":
            used &= times < start + arterial.bolus.valley * GRID + 2.0
        return used


def within(mask: torch.Tensor, core: torch.Tensor) -> torch.Tensor:
    """The pixels of a part that lie inside of the muscle; where these are too few, all.

    Those at its rim share in the blood beside it, which is ten times as bright.
    """
    both = mask & core
    return both if int(both.sum()) >= ENOUGH else mask


def _rows(fitted: Fitted, row: torch.Tensor) -> Fitted:
    return Fitted(**{each.name: getattr(fitted, each.name)[row] for each in fields(Fitted)})


def _row(flow: Flow, at: int) -> Flow:
    return Flow(**{each.name: getattr(flow, each.name)[at : at + 1] for each in fields(Flow)})


def mapped(one: Slice, name: str) -> torch.Tensor:
    """A map of the slice [y, x], 0 outside of the muscle."""
    if one.pixels is None or one.heart is None:
        raise ValueError(f"no {name} map: the slice was not quantified")
    out = torch.zeros(one.heart.muscle.shape)
    out[one.heart.muscle] = getattr(one.pixels, name).nan_to_num(0.0, 0.0, 0.0).float()
    return out


def _images(one: Slice) -> Iterator[Image]:
    if one.gadolinium is not None:
        numbers = (
            range(len(one.frames.times)) if one.moved is None else one.moved.numbers(len(one.gadolinium))
        )
        for number, frame, time in zip(numbers, one.gadolinium, one.frames.times, strict=True):
            image = derived(one.frames, frame, "gd", {"ScansideSlice": one.level})
            image.head["repetition"] = number
            image.head["acquisition_time_stamp"] = round(float(time) / 2.5e-3)
            yield image
    if one.pixels is not None:
        for name in MAPS:
            if bool(getattr(one.pixels, name).isfinite().any()):
                yield derived(
                    one.frames, mapped(one, name) * PERCENT.get(name, 1.0), name, {"ScansideSlice": one.level}
                )
