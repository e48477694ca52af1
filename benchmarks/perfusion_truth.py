"""Blood flow of simulated patients from streamed k-space by the chain ``perfusion``, against the truth.

SCANSIDE_PATIENTS (2; 40 are asked for) people of random shape, flow and breathing are scanned with R = 3:
tissue by BTEX and by a partial differential equation with diffusion and a dispersed bolus, at two
contrast-to-noise ratios, and some by two compartments. Flow is compared sector by sector, with
the masks that the chain finds, with those by arrival times alone, and with the true ones. SCANSIDE_JOBS
processes share the work, all people by the first generator before any by the next; after SCANSIDE_SECONDS
what is not finished is left out. Rows of all sectors and a Bland-Altman picture go to SCANSIDE_RESULTS
(``benchmarks/results``).
"""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing import TimeoutError as Late
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.perfusion_picture import bland_altman

PATIENTS = int(os.environ.get("SCANSIDE_PATIENTS", "2"))
JOBS = int(os.environ.get("SCANSIDE_JOBS", "1"))
SECONDS = float(os.environ.get("SCANSIDE_SECONDS", "inf"))
RESULTS = Path(os.environ.get("SCANSIDE_RESULTS", Path(__file__).parent / "results"))

FIRST = 100
"""Seed of the first patient."""

CASES: tuple[tuple[str, tuple[float, ...], int], ...] = (
    ("btex", (12.0, 25.0), 1),
    ("pde", (12.0, 25.0), 1),
    ("2cxm", (12.0,), 4),
)
"""Generator, contrast-to-noise ratios, and of how many patients one is taken."""

BANDS = ((0.4, 2.0), (2.0, 4.0), (4.0, 5.1))
LIMITS = {
    "true": (5.0, 10.0, math.inf),
    "estimated": (8.0, 15.0, math.inf),
    "classical": (8.0, 15.0, math.inf),
}
"""Flow from and to [ml/min/g], and the bias that is asked for [%]."""

PARTS = {"motion": ("CorrectMotion", 12.0), "kinetics": ("QuantifyFlow", 3.0)}
"""Steps that a time is asked of, in their worst scan [s]."""

CUT = 1.6
"""Between ischaemic (1.2 and less) and healthy (2.0 and more) [ml/min/g]."""

Values = NDArray[np.float64]
Row = dict[str, Any]


def run() -> Iterator[Figure]:
    """Bias by band of flow, limits of agreement, detection, bound, arterial input, masks, motion, times."""
    begin = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows = everyone(begin + SECONDS)
    people = {each["seed"] for each in rows["patients"]}
    yield Figure(name="patients", value=len(people), note=f"{len(rows['patients'])} scans")
    for generator, cnrs, _ in CASES:
        for cnr in cnrs:
            yield from _case(generator, cnr, rows)
    (RESULTS / "perfusion_truth.png").write_bytes(bland_altman(rows["sectors"], CASES))


def everyone(deadline: float) -> dict[str, list[Row]]:
    """Rows of sectors, slices and patients; kept in a file whenever a person's scans are through."""
    rows: dict[str, list[Row]] = {"sectors": [], "slices": [], "patients": []}
    seeds = range(FIRST, FIRST + PATIENTS)
    work = [(seed, generator, cnrs) for generator, cnrs, every in CASES for seed in seeds[::every]]
    with get_context("spawn").Pool(JOBS, initializer=_alone) as pool:
        through = pool.imap_unordered(_scans, work)
        for _ in work:
            try:
                found = through.next(None if deadline == math.inf else max(0.0, deadline - time.time()))
            except Late:
                break
            for one in found:
                rows["sectors"] += one["sectors"]
                rows["slices"] += one["slices"]
                rows["patients"].append(one["patient"])
            (RESULTS / "perfusion_truth.json").write_text(json.dumps(rows) + "\n")
    return {kind: sorted(each, key=lambda row: (row["seed"], row["cnr"])) for kind, each in rows.items()}


def _alone() -> None:
    import torch

    torch.set_num_threads(1)


def _scans(work: tuple[int, str, tuple[float, ...]]) -> list[Row]:
    """A person's scans by one generator."""
    import warnings

    from benchmarks.perfusion_patient import patient

    warnings.simplefilter("ignore")
    return [asdict(each) for each in patient(*work, {})]


def _case(generator: str, cnr: float, rows: dict[str, list[Row]]) -> Iterator[Figure]:
    """The figures of one generator at one contrast-to-noise ratio."""

    def own(kind: str) -> list[Row]:
        return [row for row in rows[kind] if row["generator"] == generator and row["cnr"] == cnr]

    patients, slices, every = own("patients"), own("slices"), own("sectors")
    if not patients:
        return
    name = f"{generator}, CNR {cnr:.0f}"
    for masks in sorted({row["masks"] for row in every}):
        sectors = [row for row in every if row["masks"] == masks]
        limits = LIMITS.get(masks, (math.inf,) * 3) if generator != "2cxm" else (math.inf,) * 3
        if masks == "true":
            yield _curves(sectors, name)
        yield from _flow(
            sectors, f"{name}, {masks} masks", limits, detects=cnr == 12.0 and generator != "2cxm"
        )
    refused = [row for row in patients if row["refusals"]]
    yield Figure(
        name=f"{name}: refused",
        value=len(refused),
        note="; ".join(f"{row['seed']}: {row['refusals'][0]}" for row in refused[:4]),
    )
    without = [row for row in slices if "muscle" not in row]
    yield Figure(
        name=f"{name}: slices left without segments",
        value=len(without),
        note="; ".join(f"{row['seed']} {row['level']}" for row in without[:8]),
    )
    if generator != "2cxm":
        yield from _bound([row for row in every if "held" in row], name)
    yield from _arterial([row for row in patients if "peak" in row], name)
    yield from _geometry(slices, name)
    yield from _seconds(patients, name)


def _flow(sectors: list[Row], name: str, limits: tuple[float, ...], detects: bool) -> Iterator[Figure]:
    true, found = (np.array([row[key] for row in sectors]) for key in ("true", "mbf"))
    error = 100 * (found / true - 1)
    for (low, high), limit in zip(BANDS, limits, strict=True):
        inside = (true >= low) & (true < high)
        if not inside.any():
            continue
        bias = float(error[inside].mean())
        yield Figure(
            name=f"{name}: |bias|, {low} to {high} ml/min/g",
            value=abs(bias),
            unit="%",
            limit=limit if math.isfinite(limit) else None,
            note=f"{bias:+.1f}; {int(inside.sum())} sectors, sd {float(error[inside].std()):.1f} %",
        )
    away = found - true
    yield Figure(
        name=f"{name}: limits of agreement, half width",
        value=1.96 * float(away.std()),
        unit="ml/min/g",
        note=f"bias {float(away.mean()):+.3f}",
    )
    yield Figure(name=f"{name}: correlation", value=float(np.corrcoef(true, found)[0, 1]))
    if detects:
        yield from _detection(true, found, name)


def _detection(true: Values, found: Values, name: str) -> Iterator[Figure]:
    """Whether ischaemia is told; ``asked`` at 1.2 and 2.0, between them the area under the curve."""
    sick, well = found[true <= 1.2], found[true >= 2.0]
    if len(sick) and len(well):
        for word, value, count in (
            ("sensitivity", float((sick < CUT).mean()), len(sick)),
            ("specificity", float((well >= CUT).mean()), len(well)),
        ):
            yield Figure(
                name=f"{name}: {word} at {CUT}",
                value=value,
                limit=0.95,
                sense="at least",
                note=f"{count} sectors",
            )
        yield Figure(name=f"{name}: AUC, 1.2 and less from 2.0 and more", value=area(sick, well))
    low, high = found[(true > 1.2) & (true < CUT)], found[(true >= CUT) & (true < 2.0)]
    if len(low) and len(high):
        note = f"{len(low)} and {len(high)} sectors"
        yield Figure(name=f"{name}: AUC of the band between, at {CUT}", value=area(low, high), note=note)


def area(low: Values, high: Values) -> float:
    """How often one of the high ones is above one of the low ones."""
    return float((low[:, None] < high[None, :]).mean())


def _curves(sectors: list[Row], name: str) -> Figure:
    """How far the mean curves of segments, whatever their scale, are off the true ones."""
    off = [100 * row["off"] for row in sectors]
    return Figure(
        name=f"{name}, true masks: curves of segments off the true ones, sd over the peak",
        value=float(np.mean(off)),
        unit="%",
        note=f"worst {max(off):.1f}",
    )


def _bound(sectors: list[Row], name: str) -> Iterator[Figure]:
    """What noise does to flow over the Cramer-Rao bound: two scans that differ by their noise alone."""
    for key, what in (
        ("free", "nothing known of the other parameters"),
        ("held", "with what the fit expects of them"),
    ):
        ratios = []
        for row in sectors:
            twin = row.get("twin")
            if twin is not None and row[key] > 0:
                ratios.append((row["mbf"] - twin["mbf"]) / math.hypot(row[key], twin[key]))
        if ratios:
            size = np.abs(ratios)
            yield Figure(
                name=f"{name}: sd by noise over the Cramer-Rao bound, {what}",
                value=float(np.sqrt(np.mean(np.square(ratios)))),
                limit=1.5,
                note=f"{len(ratios)} sectors, median size {float(np.median(size)):.2f} (0.67 at the bound)",
            )


def _arterial(patients: list[Row], name: str) -> Iterator[Figure]:
    error = [100 * (row["peak"] / row["true_peak"] - 1) for row in patients]
    if not error:
        return
    yield _worst(f"{name}: arterial peak, worst", error, "%", 5.0)
    for mark, limit in (("foot", 0.5), ("top", 0.5), ("valley", None)):
        late = [row[mark][0] - row[mark][1] for row in patients]
        yield _worst(f"{name}: arterial {mark}, worst", late, "s", limit)


def _worst(name: str, errors: list[float], unit: str, limit: float | None) -> Figure:
    size = np.abs(errors)
    note = f"mean {float(np.mean(errors)):+.2f}, sd {float(np.std(errors)):.2f}"
    if limit is not None:
        note += f", {int((size <= limit).sum())} of {len(size)} within"
    return Figure(name=name, value=float(size.max()), unit=unit, limit=limit, note=note)


def _geometry(slices: list[Row], name: str) -> Iterator[Figure]:
    """Frames on each other, and masks on the true ones."""
    named = {"before": "before registration", "after": "after registration", "ideal": "moved by the true way"}
    for which, least, mean in (("before", None, None), ("after", 0.84, 0.93), ("ideal", None, None)):
        worst, means = ([row[which][at] for row in slices] for at in (0, 1))
        yield Figure(
            name=f"{name}: Dice of frames {named[which]}, mean",
            value=float(np.mean(means)),
            limit=mean,
            sense="at least",
        )
        asked = 0.84
        within = f"{sum(each >= asked for each in worst)} of {len(worst)} slices at {asked} or more"
        note = "" if which == "before" else within
        yield Figure(
            name=f"{name}: Dice of frames {named[which]}, worst",
            value=min(worst),
            limit=least,
            sense="at least",
            note=note,
        )
    yield Figure(
        name=f"{name}: frames taken for beyond correction",
        value=sum(row["beyond"] for row in slices),
        note=f"of {sum(row['frames'] for row in slices)}: none is more than a breath away",
    )
    for key in ("muscle", "left", "same_sector"):
        values = [row[key] for row in slices if key in row]
        if values:
            yield Figure(
                name=f"{name}: estimated masks, {key}",
                value=float(np.mean(values)),
                note=f"worst {min(values):.3f}, {len(values)} of {len(slices)} slices",
            )


def _seconds(patients: list[Row], name: str) -> Iterator[Figure]:
    """CPU seconds of the stages, and of those behind the last readout."""
    stages: dict[str, float] = {}
    for row in patients:
        for stage, value in row["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + value / len(patients)
    after = (
        "CollectFirstPass",
        "CorrectMotion",
        "FindArterialInput",
        "SegmentMyocardium",
        "QuantifyFlow",
        "ReportPerfusion",
    )
    yield Figure(
        name=f"{name}: CPU seconds behind the last readout",
        value=sum(stages.get(each, 0.0) for each in after),
        unit="s",
        limit=20.0,
        note=", ".join(f"{stage} {value:.2f}" for stage, value in stages.items()),
    )
    for what, (stage, limit) in PARTS.items():
        each = [row["seconds"][stage] for row in patients if stage in row["seconds"]]
        if each:
            yield Figure(
                name=f"{name}: CPU seconds of {what}, worst",
                value=max(each),
                unit="s",
                limit=limit,
                note=f"mean {sum(each) / len(each):.2f}",
            )
