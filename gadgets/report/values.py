"""All numbers of a first pass as one document, whose schema stands in docs/perfusion.md."""

import math

import torch

from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.cardiac.perfusion.reserve import Reserve
from models.cardiac.sectors import NAMES
from models.perfusion.curves import STEP
from models.perfusion.flow import Flow

SCHEMA = "scanside-perfusion-1"

UNITS = {"mbf": "ml/min/g", "ps": "ml/min/g", "vb": "ml/g", "visf": "ml/g", "delay": "s", "mpr": "1"}


def document(item: FirstPass, reserve: Reserve | None = None) -> dict[str, object]:
    """The report's numbers; what was not quantified is null."""
    return {
        "schema": SCHEMA,
        "title": "Myocardial perfusion",
        "procedure": "perfusion",
        "method": item.model,
        "measurements": _measurements(item, reserve),
        "quantified": not item.refusals and any(one.sectors for one in item.slices),
        "refusals": list(item.refusals),
        "flags": [*item.flags, *(reserve.flags if reserve else ())],
        "model": item.model,
        "state": item.state,
        "haematocrit": item.haematocrit,
        "haematocrit_from": item.haematocrit_from,
        "dispersion_s": item.dispersion,
        "units": {
            "mbf": "ml/min/g",
            "ps": "ml/min/g",
            "vb": "ml/g",
            "visf": "ml/g",
            "delay": "s",
            "mpr": "1",
        },
        "global": mean(item),
        "reserve": None if reserve is None else _reserve(reserve),
        "segments": [_segment(item, number) | _ratio(reserve, number) for number in range(1, 17)],
        "slices": [_slice(one) for one in item.slices],
        "arterial": _arterial(item),
    }


def _reserve(reserve: Reserve) -> dict[str, object]:
    """What the reserve is of; what it is of a segment stands with the segment."""
    used = not reserve.refusals
    return {
        "with": reserve.kept.state,
        "hours": round(reserve.kept.hours, 2) if used else None,
        "scan": reserve.kept.origin,
        "global": _finite(reserve.whole),
        "refusals": list(reserve.refusals),
    }


def _ratio(reserve: Reserve | None, number: int) -> dict[str, object]:
    if reserve is None or number not in reserve.ratio:
        return {"mpr": None, "mpr_sd": None}
    return {"mpr": _finite(reserve.ratio[number]), "mpr_sd": _finite(reserve.sd[number])}


def _measurements(item: FirstPass, reserve: Reserve | None) -> list[dict[str, object]]:
    """Flow and its reserve by site, in the form that structured reports are made of."""
    whole = mean(item)
    sites = {f"aha:{number}": flow for one in item.slices for number, flow in one.sectors.items()}
    values = {"": None if whole is None else whole["mbf"]} | {k: _number(f.mbf[0]) for k, f in sites.items()}
    flow: list[dict[str, object]] = [
        {"quantity": "mbf", "value": value, "unit": "ml/min/g", "site": site, "statistic": "mean"}
        for site, value in values.items()
        if value is not None
    ]
    if reserve is None or reserve.refusals:
        return flow
    ratios = {"": reserve.whole} | {f"aha:{number}": value for number, value in reserve.ratio.items()}
    return flow + [
        {"quantity": "mpr", "value": value, "unit": "1", "site": site, "statistic": ""}
        for site, number in ratios.items()
        if (value := _finite(number)) is not None
    ]


def _segment(item: FirstPass, number: int) -> dict[str, object]:
    found: dict[str, object] = {"segment": number, "name": NAMES[number - 1]}
    for one in item.slices:
        if number in one.sectors and one.segments is not None and one.heart is not None:
            found |= _numbers(one.sectors[number])
            here = one.segments[one.heart.muscle] == number
            if one.pixels is not None:
                values = one.pixels.mbf[here]
                found |= {
                    "pixels": int(here.sum()),
                    "pixel_mean": _number(values.mean()),
                    "pixel_median": _number(values.median()),
                    "pixel_sd": _number(values.std(correction=0)),
                    "pixel_min": _number(values.min()),
                    "pixel_max": _number(values.max()),
                }
            for half in ("endo", "epi"):
                flow = one.halves.get((number, half))
                found[f"mbf_{half}"] = None if flow is None else _number(flow.mbf[0])
    return found


def _numbers(flow: Flow) -> dict[str, object]:
    named = ("mbf", "mbf_sd", "ps", "vb", "visf", "delay", "error")
    return {name: _number(getattr(flow, name)[0]) for name in named}


def _number(value: torch.Tensor) -> float | None:
    return _finite(float(value))


def _finite(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def mean(item: FirstPass) -> dict[str, float] | None:
    """Over the segments, weighted by their pixels."""
    weights, flows = [], []
    for one in item.slices:
        if one.segments is not None:
            for number, flow in one.sectors.items():
                weights.append(float((one.segments == number).sum()))
                flows.append(float(flow.mbf))
    if not weights:
        return None
    return {"mbf": round(sum(w * f for w, f in zip(weights, flows, strict=True)) / sum(weights), 5)}


def _slice(one: Slice) -> dict[str, object]:
    moved = one.moved
    used = None if moved is None else moved.numbers(len(one.frames.times))
    shift = moved.displacement[used].mean((2, 3)) if moved is not None else torch.zeros(1, 2)
    return {
        "level": one.level,
        "frames": len(one.frames.times),
        "left_out": 0 if moved is None else int(moved.beyond.sum()),
        "pixel_mm": [round(1e3 * each, 4) for each in one.frames.pixel],
        "segmentation": None if one.heart is None else one.heart.origin,
        "segmentation_model": one.frames.meta.get("ScansideSegmentationModel"),
        "shift_max_mm": round(float((shift * torch.tensor(one.frames.pixel)).norm(dim=1).max()) * 1e3, 2),
        "residual_max": None if moved is None else round(float(moved.left[used].max()), 4),
    }


def _arterial(item: FirstPass) -> dict[str, object] | None:
    found = item.arterial
    if found is None:
        return None
    start = found.times[0]
    marks = found.bolus
    return {
        "peak_mm": round(found.peak, 4),
        "foot_s": round(STEP * marks.foot, 2),
        "peak_s": round(STEP * marks.peak, 2),
        "valley_s": round(STEP * marks.valley, 2),
        "efficiency": round(found.efficiency, 4),
        "times_s": [round(float(each - start), 4) for each in found.times],
        "blood_mm": [round(float(each), 4) for each in found.blood],
    }
