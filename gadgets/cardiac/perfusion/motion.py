"""Breathing taken out of the slices, each in a box about the heart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.cardiac.perfusion.item import FirstPass, Frames, Slice
from gadgets.cardiac.perfusion.pictures import derived
from gadgets.cardiac.perfusion.place import heart_in
from gadgets.cardiac.perfusion.said import gathered
from gadgets.data import Heads, Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from models.perfusion.motion import Flow, Moved, lucas_kanade, register, total_variation
from models.perfusion.pools import Pools, find_pools, heart_center
from models.perfusion.regions import box_around, center
from models.perfusion.resample import warp
from models.perfusion.shading import slope, steadied

ENGINES: dict[str, Flow | None] = {"rigid": None, "tvl1": total_variation, "ilk": lucas_kanade}

SHARE = 0.5
"""Of a slice's frames that may be beyond correction: of more nothing is quantified."""


@dataclass(frozen=True, kw_only=True)
class CorrectMotion(Gadget):
    """Register the frames of each slice to low-rank model images of it, and send them as a series.

    In a box about the heart, which all that follows keeps; it is where the arterial images have it. The bolus
    is no motion: a model image has the contrast of its own frame. ``rigid`` moves each frame as a whole, and
    lets it grow or shrink with the breath where the heart does, near the apex; ``tvl1`` and ``ilk`` deform it
    besides by an optical flow of scikit-image (extra ``cardiac``). Frames that show another slice of the
    heart, or another phase, are sent, flagged and then left out.
    """

    engine: Literal["rigid", "tvl1", "ilk"] = "rigid"
    """What finds the motion."""

    box: Annotated[int, Field(ge=32, le=192)] = 96
    """Side of the box [pixel]."""

    def process(self, stream: Iterable[FirstPass], scan: Scan) -> Iterator[FirstPass | Image]:
        """The first pass with its slices registered; before it the registered series."""
        for item in stream:
            slices, said = [], list[tuple[int, str]]()
            refused = list[tuple[int, str]]()
            arterial, pools = _arterial(item.arterial_frames)
            for number, one in enumerate(item.slices):
                where = heart_in(one.frames, arterial, pools) if arterial and pools else None
                whole, moved = self._moved(one, where)
                yield from _series(whole)
                count, bad = len(moved.beyond), int(moved.beyond.sum())
                if bad <= SHARE * count:
                    whole = replace(whole, frames=without(whole.frames, moved.beyond))
                slices.append(whole)
                if bad > SHARE * count:
                    refused.append((number, f"motion beyond correction in {bad} of {count} frames"))
                elif bad:
                    said.append((number, left_out(moved.beyond)))
            yield replace(
                item,
                slices=tuple(slices),
                arterial_frames=arterial,
                refusals=(*item.refusals, *gathered(refused)),
                flags=(*item.flags, *gathered(said)),
            )

    def _moved(self, one: Slice, where: tuple[float, float] | None) -> tuple[Slice, Moved]:
        frames = one.frames
        where = where or heart_center(frames.even, frames.times, frames.side)
        cropped = crop(frames, box_around(where, frames.signal.shape, self.box))
        moved = register(cropped.even, ENGINES[self.engine])
        height, width = cropped.signal.shape[-2:]
        return replace(
            one, frames=_warped(cropped, moved, ((height - 1) / 2, (width - 1) / 2)), moved=moved
        ), moved


def left_out(astray: torch.Tensor) -> str:
    """What is said of frames that are left out, bool [frame].

    Where a series begins with several, they are strays or all that there is before the bolus: either way what
    the rest has of a baseline is in doubt.
    """
    bad, first = int(astray.sum()), int(astray.long().cumprod(0).sum())
    doubt = f", the first {first} among them: the baseline cannot be judged" if first > 1 else ""
    return f"motion beyond correction in {bad} of {len(astray)} frames: left out{doubt}"


def without(frames: Frames, astray: torch.Tensor) -> Frames:
    """The frames but those that are astray, bool [frame]."""
    return replace(frames, signal=frames.signal[:, ~astray], times=frames.times[~astray])


def _arterial(frames: Frames | None) -> tuple[Frames | None, Pools | None]:
    """The arterial frames registered, and the blood in them."""
    if frames is None:
        return None, None
    moved = register(frames.even.contiguous(), None, grows=False)
    found = _warped(frames, moved, None)
    pools = find_pools(found.even, found.times, found.side)
    if not bool(pools.left.any()):
        return found, pools
    return _warped(frames, moved, center(pools.left)), pools


def _warped(frames: Frames, moved: Moved, middle: tuple[float, float] | None) -> Frames:
    """The frames in the common geometry, and about ``middle`` as bright as the coils have it there."""
    signal = torch.stack([warp(echo.contiguous(), moved.displacement, "bicubic") for echo in frames.signal])
    if middle is not None:
        signal = steadied(signal, moved.displacement, slope(frames.density[0], middle, frames.side))
    return replace(frames, signal=signal)


def crop(frames: Frames, box: tuple[slice, slice]) -> Frames:
    """The frames in a box (y, x), with the geometry of it."""
    y, x = box
    return replace(
        frames,
        signal=frames.signal[..., y, x].contiguous(),
        density=frames.density[..., y, x].contiguous(),
        head=boxed(frames.head, frames.signal.shape[-2:], box),
    )


def boxed(head: Heads, shape: torch.Size, box: tuple[slice, slice]) -> Heads:
    """The header of a part of an image."""
    out = head.copy()
    for axis, (name, part, size) in enumerate(zip(("phase_dir", "read_dir"), box, shape, strict=True)):
        at = 1 - axis
        step = float(head["field_of_view"][at]) / size
        middle = (part.start + part.stop) / 2 - size / 2
        out["position"] = out["position"] + middle * step * head[name]
        out["field_of_view"][at] = step * (part.stop - part.start)
        out["matrix_size"][at] = part.stop - part.start
    return out


def _series(one: Slice) -> Iterator[Image]:
    """The registered frames as images."""
    for number, (frame, time) in enumerate(zip(one.frames.signal[0], one.frames.times, strict=True)):
        image = derived(one.frames, frame.clamp(min=0), "moco", {"ScansideSlice": one.level})
        image.head["repetition"] = number
        image.head["acquisition_time_stamp"] = round(float(time) / 2.5e-3)
        yield image
