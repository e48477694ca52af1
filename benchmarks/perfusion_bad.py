"""What the report says of bad first passes: no number may look right that is not.

A small simulated scan (three slices, 40 heartbeats) is spoiled in the ways that scans go wrong, and streamed
through ``perfusion``. A figure is 1 when the chain refused, failed, or gave numbers with a flag, and what it
said names the fault; its note is what the console would have read.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.figures import Figure
from gadgets.data import Image, Readouts
from gadgets.head import Flag
from gadgets.scan import PROTON, Scan
from models.simulation.perfusion.acquire import simulate_perfusion
from models.simulation.perfusion.sequence import standard
from models.simulation.perfusion.study import draw_study
from server.chain import named
from server.files.header import write_header
from server.offline import reconstruct
from server.perfusion import describe_perfusion, runs
from server.wire.decode import decode_all
from server.wire.messages import Close, Header, Message
from server.wire.readouts import split

MATRIX = (144, 108)
"""Pixels of 2.5 mm: the network for short-axis slices takes no coarser ones than 2.9 mm."""

NEAR = 0.15
"""How far the global flow of a scan that nothing is wrong with may be from the truth, as a part."""

NOISE = np.uint64(int(Flag.NOISE_MEASUREMENT))


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A scan in memory."""

    scan: Scan
    readouts: tuple[Readouts, ...]
    flow: float
    """Mean of the true flow of all segments [ml/min/g]."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What came back."""

    images: int
    texts: tuple[str, ...]
    report: dict[str, Any]

    @property
    def quantified(self) -> bool:
        """Whether flow was given."""
        return any(each.get("mbf") is not None for each in self.report.get("segments", ()))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Refusals and flags of the report; without a report the texts."""
        found = (*self.report.get("refusals", ()), *self.report.get("flags", ()))
        return tuple(dict.fromkeys(found)) if self.report else self.texts


def run() -> Iterator[Figure]:
    """A row for each way."""
    good = recorded(jitter=0.04)
    yield _well("intact", console(good), good.flow)
    for name, (spoil, words) in SPOILT.items():
        said = console(spoil(good))
        yield _well(name, said, good.flow) if words is None else _figure(name, said, words)
    yield _figure("cut in the middle, no CLOSE", console(part(good, 0.5), close=False), "without CLOSE")
    for tenth in range(1, 10):
        yield _figure(f"stopped at {tenth}/10", console(part(good, tenth / 10)), "scan stopped|fewer than")
    yield _figure("arrhythmia, RR 400 to 1600 ms", console(recorded(jitter=0.35)), "gaps of up to")


def _well(name: str, said: Said, true: float) -> Figure:
    """Nothing is wrong: flow is wanted, and the true one."""
    found = (said.report.get("global") or {}).get("mbf")
    near = found is not None and abs(found / true - 1) < NEAR
    note = f"MBF {found}, true {true:.2f}; {'; '.join(said.reasons) or 'nothing'}"
    return Figure(name=name, value=float(near), limit=1.0, sense="at least", note=note)


def _figure(name: str, said: Said, words: str) -> Figure:
    """``words``: how the fault is called, a pattern."""
    safe = any(re.search(words, reason) for reason in said.reasons)
    flow = said.report.get("global") or {}
    given = f"MBF {flow['mbf']:.2f}: " if said.quantified and flow else "no flow: "
    note = f"{said.images} images; {given}{'; '.join(said.reasons) or 'nothing'}"
    return Figure(name=name, value=float(safe), limit=1.0, sense="at least", note=note)


def recorded(jitter: float) -> Recorded:
    """A small scan."""
    sequence = standard(matrix=MATRIX, acceleration=2, beats=40)
    study = draw_study(7, sequence=sequence, jitter=jitter)
    simulation = simulate_perfusion(study, cnr=25.0, coils=6)
    scan = describe_perfusion(simulation, "perfusion")
    return Recorded(scan=scan, readouts=tuple(runs(simulation)), flow=float(study.flow.mbf.mean()))


def console(given: Recorded, close: bool = True) -> Said:
    """What a console gets."""
    replies: list[Any] = []
    outcome = reconstruct(
        _messages(given, close), named("perfusion"), {}, lambda message: replies.extend(decode_all(message))
    )
    images = [each for each in replies if isinstance(each, Image)]
    reports = [each.meta["ScansideReport"] for each in images if "ScansideReport" in each.meta]
    return Said(
        images=len(images),
        texts=(outcome.message,) if outcome.error else (),
        report=json.loads(str(reports[-1])) if reports else {},
    )


def _messages(given: Recorded, close: bool) -> Iterable[Message]:
    yield Header(write_header(given.scan))
    for run in given.readouts:
        yield from split(run)
    if close:
        yield Close()


def part(given: Recorded, share: float) -> Recorded:
    """The first part of the readouts."""
    total = sum(len(run.head) for run in given.readouts)
    left, kept = int(total * share), []
    for run in given.readouts:
        if left > 0:
            kept.append(replace(run, head=run.head[:left], data=run.data[:left]))
            left -= len(run.head)
    return replace(given, readouts=tuple(kept))


def _chosen(given: Recorded, keep: Callable[[Any], Any]) -> Recorded:
    """The readouts whose headers are wanted; noise always."""
    kept = []
    for run in given.readouts:
        rows = np.asarray(keep(run.head)) | ((run.head["flags"] & NOISE) > 0)
        if rows.any():
            kept.append(replace(run, head=run.head[rows], data=run.data[rows]))
    return replace(given, readouts=tuple(kept))


def _told(given: Recorded, **parameters: float | int | str) -> Recorded:
    scan = replace(given.scan, parameters={**given.scan.parameters, **parameters})
    return replace(given, scan=scan)


def _untold(given: Recorded, *names: str) -> Recorded:
    left = {name: value for name, value in given.scan.parameters.items() if name not in names}
    return replace(given, scan=replace(given.scan, parameters=left))


def _undelayed(given: Recorded) -> Recorded:
    sequence = replace(given.scan.sequence, inversion_time=())
    return replace(given, scan=replace(given.scan, sequence=sequence))


def _without_slice(given: Recorded) -> Recorded:
    return _chosen(given, lambda head: (head["encoding_space_ref"] == 1) | (head["idx"]["slice"] != 1))


def _without_density(given: Recorded) -> Recorded:
    return _chosen(
        given,
        lambda head: (
            (head["idx"]["repetition"] >= 3) | (head["flags"] & np.uint64(int(Flag.PARALLEL_CALIBRATION)) > 0)
        ),
    )


def _without_arterial(given: Recorded) -> Recorded:
    return _chosen(given, lambda head: head["encoding_space_ref"] == 0)


def _swapped(given: Recorded) -> Recorded:
    def turned(run: Readouts) -> Readouts:
        head = run.head.copy()
        rows = (head["encoding_space_ref"] == 1) & (
            head["flags"] & np.uint64(int(Flag.PARALLEL_CALIBRATION)) == 0
        )
        head["idx"]["contrast"][rows] = 1 - head["idx"]["contrast"][rows]
        return replace(run, head=head)

    return replace(given, readouts=tuple(turned(run) for run in given.readouts))


def _tuned(given: Recorded, strength: float | None, resonance: float | None) -> Recorded:
    return replace(given, scan=replace(given.scan, field_strength=strength, resonance=resonance))


SPOILT: dict[str, tuple[Callable[[Recorded], Recorded], str | None]] = {
    "a missing slice": (_without_slice, "2 of 3 slices"),
    "no arterial images": (_without_arterial, "no arterial images"),
    "no proton density, header says 3": (_without_density, "saturat"),
    "no proton density, header says 0": (
        lambda given: _told(
            _without_density(given), NumOfProtonDensityImages=0, NumOfProtonDensityImagesAIF=0
        ),
        "no proton-density frames",
    ),
    "number of proton-density images not told": (
        lambda given: _untold(given, "NumOfProtonDensityImages", "NumOfProtonDensityImagesAIF"),
        "NumOfProtonDensityImages is not",
    ),
    "saturation delay not told": (
        lambda given: _undelayed(_untold(given, "SaturationDelay", "AIFSaturationDelay")),
        "SaturationDelay is not",
    ),
    "field strength 0.55 T": (lambda given: _tuned(given, 0.55, None), "FieldStrength_T is 0.55"),
    "field strength 1.5 T for 3 T": (
        lambda given: _tuned(given, 1.5, PROTON * 3),
        "FieldStrength_T is 1.5, but",
    ),
    "no field strength, resonance of 3 T": (lambda given: _tuned(given, None, PROTON * 2.89), None),
    "neither field strength nor resonance": (
        lambda given: _tuned(given, None, None),
        "FieldStrength_T is not",
    ),
    "echoes swapped": (_swapped, "echoes swapped"),
    "no bolus": (
        lambda given: _chosen(given, lambda head: head["idx"]["repetition"] < 3 + 15),
        "no bolus|not found",
    ),
}
"""By name, what goes wrong, and how that is to be called; None where nothing may be lost by it."""
