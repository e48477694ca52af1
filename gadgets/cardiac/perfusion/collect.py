"""The images of a first pass, gathered until the scan ends."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from gadgets.cardiac.perfusion.header import density_frames, haematocrit, read
from gadgets.cardiac.perfusion.item import FirstPass, Frames, Slice
from gadgets.cardiac.perfusion.pulses import PLACE
from gadgets.cardiac.perfusion.said import gathered
from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from models.cardiac.sectors import Level
from models.kinetics.blood import HAEMATOCRIT
from models.perfusion.resample import blur

TICK = 2.5e-3
"""Unit of the time stamps [s]."""

TORN = "ScansideIncomplete"
"""What the meta of an image say that has lines missing."""

LEAST = 12
"""Frames of a slice behind those of proton density, at least."""

BASE_TO_APEX = np.array([0.60, -0.60, -0.53])
"""Where the apex lies as seen from the base, patient coordinates (to the left, to the front, to the feet)."""


@dataclass(frozen=True, kw_only=True)
class CollectFirstPass(Gadget):
    """Pass all images, and give at the scan's end the first pass that they are.

    Images of one slice are its frames, in the order of their repetitions: first those of proton density, as
    many as the header says, then the first pass. Complex images are taken in phase with the mean of proton
    density, so that noise has mean 0 where blood gives no signal yet. Slices are sorted from base to apex by
    their place in the patient. Images with lines missing are no frames; that they were left out, and that the
    scan has fewer heartbeats than its header promises, are flags.
    """

    arterial: Literal["encoding", "set", "slice"] = "encoding"
    """What tells the low-resolution images of the arterial input from those of the muscle."""

    arterial_is: Annotated[int, Field(ge=0)] = 1
    """The value that they have of it."""

    haematocrit: Annotated[float, Field(gt=0.1, lt=0.8)] | None = None
    """The patient's; the header's when None, else 0.42, and the report says so."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | FirstPass]:
        """Each image as it came; behind the last one the first pass."""
        slices: dict[int, list[Image]] = {}
        arterial: list[Image] = []
        torn = 0
        for item in stream:
            yield item
            if item.role != "image":
                continue
            torn += TORN in item.meta
            if self._is_arterial(item):
                arterial.append(item)
            else:
                slices.setdefault(int(item.head["slice"]), []).append(item)
        found = self._first_pass(slices, arterial, scan)
        yield replace(found, flags=(*_stopped([arterial, *slices.values()], scan, torn), *found.flags))

    def _is_arterial(self, item: Image) -> bool:
        if self.arterial == "encoding":
            return str(item.meta.get("ScansideEncoding", 0)) == str(self.arterial_is)
        return int(item.head[self.arterial]) == self.arterial_is

    def _first_pass(self, slices: dict[int, list[Image]], arterial: list[Image], scan: Scan) -> FirstPass:
        muscle_density, arterial_density = density_frames(scan)
        refusals = []
        if muscle_density is None:
            refusals.append("NumOfProtonDensityImages is not in the header")
        elif 0 in (muscle_density, arterial_density):
            refusals.append("no proton-density frames: the header says 0")
        every = [each for images in (arterial, *slices.values()) for each in images]
        first = min((int(each.head["repetition"]) for each in every), default=0)
        found = [frames_of(each, muscle_density or 0, first) for each in slices.values()]
        refusals += gathered((at, each) for at, each in enumerate(found) if isinstance(each, str))
        ordered = _sorted([each for each in found if isinstance(each, Frames)])
        own = frames_of(arterial, arterial_density or 0, first)
        inflow = own if isinstance(own, Frames) else None
        if not ordered:
            refusals.append("no slice with a first pass")
        promised = _promised(scan)
        if 0 < len(ordered) < promised:
            refusals.append(f"{len(ordered)} of {promised} slices: which level each is, nobody can tell")
        if not arterial:
            refusals.append(f"no arterial images: none with {self.arterial} {self.arterial_is}")
        elif isinstance(own, str):
            refusals.append(f"arterial images: {own}")
        read_ = read(scan, ordered[0].pulse if ordered else 0, inflow.pulse if inflow else 0)
        level, origin = haematocrit(scan, self.haematocrit, HAEMATOCRIT)
        return FirstPass(
            slices=tuple(
                Slice(level=name, frames=each)
                for name, each in zip(levels(len(ordered)), ordered, strict=True)
            ),
            arterial_frames=inflow,
            protocol=read_.protocol,
            haematocrit=level,
            haematocrit_from=origin,
            state=str(scan.parameters.get("ContrastState", "")),
            refusals=(*refusals, *read_.missing),
            flags=_missed(ordered, inflow),
        )


def _promised(scan: Scan) -> int:
    """How many slices the header has of the muscle; 0 where it does not say."""
    limit = scan.encodings[0].limit("slice") if scan.encodings else None
    return limit.size if limit is not None else 0


def _stopped(series: list[list[Image]], scan: Scan, torn: int) -> list[str]:
    """What a scan lacks that its header promises."""
    said = [f"{torn} images with lines missing are left out"] if torn else []
    limit = scan.encodings[0].limit("repetition") if scan.encodings else None
    whole = [each for images in series for each in images if TORN not in each.meta]
    beats = len({int(each.head["repetition"]) for each in whole})
    if limit is not None and beats < limit.size:
        said.append(f"scan stopped: {beats} of {limit.size} heartbeats")
    return said


def levels(count: int) -> tuple[Level, ...]:
    """What slices from base to apex are called; one alone is a middle one."""
    names: list[Level] = ["mid"] * count
    if count < 2:
        return tuple(names)
    names[0], names[-1] = "basal", "apical"
    if count == 2:
        names[-1] = "mid"
    return tuple(names)


def frames_of(images: list[Image], density: int, first: int) -> Frames | str:
    """The frames of one slice; a reason when there are too few.

    The first heartbeat of the scan, and ``density`` in all, are of proton density: no other stands for one
    that is missing or torn.
    """
    whole = [each for each in images if TORN not in each.meta]
    echoes = sorted({int(each.head["contrast"]) for each in whole})
    by = {(int(each.head["contrast"]), int(each.head["repetition"])): each for each in whole}
    beats = sorted({beat for _, beat in by if all((echo, beat) in by for echo in echoes)})
    dark = [beat for beat in beats if beat < first + density]
    bright = beats[len(dark) :]
    if len(dark) < density:
        return f"{len(dark)} of {density} frames of proton density"
    if len(bright) < LEAST:
        return f"fewer than {LEAST} frames behind those of proton density"
    if len(sizes := {tuple(each.data.shape[-2:]) for each in whole}) > 1:
        return f"images of different sizes: {', '.join(f'{x} x {y}' for y, x in sorted(sizes))}"
    data = torch.stack([torch.stack([by[echo, beat].data[0, 0] for beat in beats]) for echo in echoes])
    still, moving = data[:, :density], data[:, density:]
    head = by[echoes[0], bright[0]].head
    times = [float(by[echoes[0], beat].head["acquisition_time_stamp"]) * TICK for beat in bright]
    height, width = data.shape[-2:]
    fov = head["field_of_view"]
    return Frames(
        signal=_in_phase(moving, still),
        density=still.abs().float(),
        times=torch.tensor(times, dtype=torch.float64),
        pixel=(float(fov[1]) * 1e-3 / height, float(fov[0]) * 1e-3 / width),
        pulse=int(head["user_int"][PLACE]),
        head=head,
        meta=by[echoes[0], bright[0]].meta,
    )


def _in_phase(moving: torch.Tensor, still: torch.Tensor) -> torch.Tensor:
    """Frames [echo, frame, y, x] in phase with the smoothed mean of others; magnitudes without any."""
    if not moving.is_complex():
        return moving.float()
    if still.shape[1] == 0:
        return moving.abs().float()
    mean = still.mean(1)
    smooth = torch.complex(blur(mean.real.contiguous(), 1.5), blur(mean.imag.contiguous(), 1.5))
    phase = torch.polar(torch.ones_like(smooth.real), smooth.angle())
    return (moving * phase.conj()[:, None]).real.float().contiguous()


def _sorted(slices: list[Frames]) -> list[Frames]:
    """From base to apex."""
    if len(slices) < 2:
        return slices
    normal = np.cross(slices[0].head["read_dir"].astype(float), slices[0].head["phase_dir"].astype(float))
    towards = normal if normal @ BASE_TO_APEX >= 0 else -normal
    return sorted(slices, key=lambda each: float(each.head["position"].astype(float) @ towards))


def _missed(slices: list[Frames], arterial: Frames | None) -> tuple[str, ...]:
    """Gaps in the series: beats that were missed."""
    found = gathered((at, said) for at, each in enumerate(slices) if (said := _gaps(each)))
    said = "" if arterial is None else _gaps(arterial)
    return (*found, *([f"arterial: {said}"] if said else []))


def _gaps(frames: Frames) -> str:
    """The gaps of a series; empty when it has none."""
    if len(frames.times) < 3:
        return ""
    apart = frames.times.diff()
    usual = float(apart.median())
    gaps = int((apart > 1.7 * usual).sum())
    return f"{gaps} gaps of up to {float(apart.max()):.1f} s, usually {usual:.2f} s" if gaps else ""
