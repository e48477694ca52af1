"""The report of a first pass: pictures, a text, and all numbers as one JSON document."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.cardiac.perfusion.pictures import KINDS, derived, labels
from gadgets.cardiac.perfusion.reserve import Reserve, left_behind, painted, reserve
from gadgets.data import Heads, Image, Text, Value
from gadgets.gadget import Gadget
from gadgets.head import IMAGE_HEAD, ImageType
from gadgets.report.bullseye import bullseye, table
from gadgets.report.drawing import (
    ALARM,
    DIM,
    INK,
    TERRITORIES,
    Curve,
    font,
    page,
    pixels,
    plot,
    wrapped,
)
from gadgets.report.overlay import burnt, contour, roi
from gadgets.report.values import document, mean
from gadgets.scan import Scan
from models.cardiac.sectors import TERRITORY
from models.perfusion.curves import STEP

TOP = 6.0
"""Of the colours of flow [ml/min/g]."""


@dataclass(frozen=True, kw_only=True)
class ReportPerfusion(Gadget):
    """Send contours, the arterial input, and one page: bull's-eye, sixteen rows, the whole, flags, the model.

    When there is a reason against the numbers none is shown: the page says the reason. The meta of the page
    hold all numbers as JSON (``ScansideReport``; schema in docs/perfusion.md). Where flow of the same patient
    in the other state, stress or rest, is kept from an earlier scan, the perfusion reserve (stress over rest)
    of each segment goes with them, and as a map. The flow is left behind for a later scan.
    """

    def process(
        self, stream: Iterable[FirstPass | KeptFlow], scan: Scan
    ) -> Iterator[Image | Text | KeptFlow]:
        """The pictures, a text, and the flow for a later scan."""
        others: list[KeptFlow] = []
        for item in stream:
            if isinstance(item, KeptFlow):
                others.append(item)
                continue
            whole = mean(item)
            own = left_behind(item, math.nan if whole is None else whole["mbf"])
            ratio = reserve(own, others)
            for one in item.slices:
                yield from _contours(one)
            if item.arterial is not None:
                yield _arterial(item)
            if ratio is not None and ratio.ratio:
                yield from _reserves(item, ratio)
            values = document(item, ratio)
            yield _page(item, values, ratio)
            yield _text(item, values, ratio)
            if own is not None:
                yield own


def _contours(one: Slice) -> Iterator[Image]:
    """The mean registered frame with the contours burnt in, and as points in the meta.

    None of a slice without segments: its contours are in doubt.
    """
    heart = one.heart
    if heart is None or one.segments is None:
        return
    whole = heart.left | heart.muscle
    mean = one.frames.signal[0].mean(0)
    masks = [(heart.right, (90, 160, 255)), (whole, (0, 255, 120)), (heart.left, (255, 90, 90))]
    masks += [
        (one.segments == name, TERRITORIES[TERRITORY[name - 1]])
        for name in sorted(set(one.segments.flatten().tolist()))
        if name
    ]
    more: dict[str, Value] = {"ScansideSlice": one.level, "ScansideSegmentation": heart.origin}
    for name, mask, color in (
        ("GT_ROI_LV_ENDO", heart.left, (255, 90, 90)),
        ("GT_ROI_LV_EPI", whole, (0, 255, 120)),
        ("GT_ROI_RV", heart.right, (90, 160, 255)),
    ):
        more[name] = roi(contour(mask), color)
    image = derived(one.frames, mean, "contours", more)
    image.head["image_type"] = ImageType.RGB
    yield replace(image, data=burnt(mean, masks))


def _arterial(item: FirstPass) -> Image:
    picture, draw = page(512, 384)
    arterial = item.arterial
    if arterial is None or item.arterial_frames is None:
        raise ValueError("no arterial input to draw")
    times = (arterial.times - arterial.times[0]).tolist()
    curves = [Curve(times=times, values=arterial.blood.tolist(), color=(255, 90, 90), name="LV blood [mM]")]
    curves += [
        Curve(
            times=(one.frames.times - arterial.times[0]).tolist(),
            values=one.gadolinium[:, one.heart.muscle].mean(1).tolist(),
            color=color,
            name=f"{one.level} muscle [mM]",
        )
        for one, color in zip(item.slices, ((0, 255, 120), (90, 200, 255), (255, 220, 0)), strict=False)
        if one.gadolinium is not None and one.heart is not None
    ]
    plot(draw, (52, 40, 496, 330), curves, ("time [s]", "Gd [mM]"))
    marks = arterial.bolus
    draw.text(
        (52, 356),
        f"foot {STEP * marks.foot:.1f} s, peak {STEP * marks.peak:.1f} s "
        f"({arterial.peak:.2f} mM), valley {STEP * marks.valley:.1f} s",
        font=font(13),
        fill=INK,
    )
    return _drawn(item, picture, "aif", {})


def _reserves(item: FirstPass, ratio: Reserve) -> Iterator[Image]:
    """A map of the reserve of each slice: its segments'."""
    for one in item.slices:
        if one.segments is not None:
            yield derived(one.frames, painted(one, ratio.ratio), "mpr", {"ScansideSlice": one.level})


def _page(item: FirstPass, values: dict[str, object], ratio: Reserve | None = None) -> Image:
    """The report, 512 x 512."""
    picture, draw = page(512, 512)
    flows = {name: float(flow.mbf) for one in item.slices for name, flow in one.sectors.items()}
    state = f" {item.state}" if item.state else ""
    draw.text((12, 8), f"MBF{state} [ml/min/g]", font=font(18), fill=INK)
    bullseye(draw, (168, 180), 145, flows, TOP)
    columns, last = {"MBF": flows}, {"MBF": _global(values)}
    if ratio is not None and ratio.ratio:
        columns["MPR"], last["MPR"] = ratio.ratio, ratio.whole
    below = table(draw, (350 - 34 * (len(columns) - 1), 34), columns, last)
    origin = {"assumed": "assumed", "header": "from header", "chain": "given"}[item.haematocrit_from]
    notes = [
        f"Model {item.model.upper() or '-'}, haematocrit {item.haematocrit:.2f} ({origin})",
        "Segment values from mean curves; density 1.05 g/ml"
        + (f"; input dispersed by {item.dispersion:.2f} s" if item.model else ""),
        "Not for diagnosis",
    ]
    if ratio is not None and ratio.ratio:
        notes.insert(1, f"MPR: stress over rest; the {ratio.kept.state} scan is {ratio.kept.hours:.1f} h old")
    y = max(below, 340.0)
    for line in notes:
        draw.text((12, y), line, font=font(13), fill=DIM)
        y += 17
    said = [f"NOT QUANTIFIED: {each}" for each in item.refusals] + list(item.flags)
    said += ratio.flags if ratio is not None else ()
    for text in said or ["No quality flags"]:
        for line in wrapped(text, 68):
            if y < 496:
                draw.text((12, y), line, font=font(13), fill=ALARM if said else INK)
                y += 16
    return _drawn(item, picture, "report", {"ScansideReport": json.dumps(values)})


def _drawn(item: FirstPass, picture: object, kind: str, more: dict[str, Value]) -> Image:
    """A page as an image; it lies where the first slice does."""
    from PIL import Image as Picture

    if not isinstance(picture, Picture.Image):
        raise TypeError(f"a page is a picture, got {type(picture).__name__}")
    frames = item.slices[0].frames if item.slices else item.arterial_frames
    head: Heads = frames.head.copy() if frames is not None else torch.zeros(()).numpy().astype(IMAGE_HEAD)
    head["image_series_index"], head["image_type"] = KINDS[kind].series, ImageType.RGB
    meta = {**(frames.meta if frames is not None else {}), **labels(KINDS[kind]), **more}
    return Image(data=pixels(picture), head=head, role="report", meta=meta)


def _global(values: dict[str, object]) -> float:
    whole = values["global"]
    return whole["mbf"] if isinstance(whole, dict) else math.nan


def _text(item: FirstPass, values: dict[str, object], ratio: Reserve | None = None) -> Text:
    if item.refusals:
        return Text(text="perfusion not quantified: " + "; ".join(item.refusals), level="warning")
    words = (
        f"perfusion: global MBF {_global(values):.2f} ml/min/g "
        f"({item.model}, haematocrit {item.haematocrit:.2f} {item.haematocrit_from})"
    )
    if ratio is not None and math.isfinite(ratio.whole):
        words += f", reserve {ratio.whole:.2f}"
    flags = "; ".join((*item.flags, *(ratio.flags if ratio is not None else ())))
    return Text(text=words + (f"; {flags}" if flags else ""), level="warning" if flags else "info")
