"""Volumes of simulated cine stacks, from streamed k-space through ``cine_function``, beside what is known.

The people come from the simulator's families, whose shapes and intensities no training sees (the network
learns from drawn slices). Gated and segmented, R = 2, six coils, 25 phases, 8 mm slices with gaps of 2 mm.
Each stack is measured against perfect masks of the same slices and against the heart's analytic volumes; what
perfect masks miss of these is what slicing alone costs. ``SCANSIDE_STACKS`` says how many stacks, 12
otherwise; 60 take 75 minutes of processor time, which SCANSIDE_JOBS processes share.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure
from gadgets.cardiac.function import REPORT
from gadgets.data import Image
from models.cardiac.function import DENSITY, curves
from models.cardiac.strain import circumferential
from models.simulation.cine.acquire import CineSimulation, simulate_cine
from models.simulation.cine.protocol import Cine, slices_needed
from models.simulation.patient import FAMILIES, draw
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol
from server.chain import named
from server.cine import describe_cine, runs
from server.files.header import write_header
from server.offline import reconstruct
from server.wire.decode import decode_all
from server.wire.messages import Close, Header, Message
from server.wire.readouts import split

MATRIX, PIXEL = 176, 2.0e-3
STATES = 25
"""Of the beat. Between them k-space is a mixture of two: of ten, most lines had shown two hearts at once."""

THICKNESS, GAP = 0.008, 0.002
FIRST = 1000
"""Seed of the first person."""

JOBS = int(os.environ.get("SCANSIDE_JOBS", "1"))

QUANTITIES = ("EDV", "ESV", "EF", "mass")
CLASSES = ("LV", "myocardium", "RV")
ASKED = {"EDV": 2.0, "ESV": 2.0, "EF": 2.0, "mass": 4.0}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What one stack gave: volumes [ml], EF [%], mass [g] by ``QUANTITIES``."""

    name: str
    ours: NDArray[np.float64]
    """nan where the chain refused."""

    masks: NDArray[np.float64]
    analytic: NDArray[np.float64]
    strain: tuple[float, float]
    """Peak midwall circumferential strain [%], ours (nan where there is none) and that of perfect masks."""

    dice: NDArray[np.float64]
    """Of each class over the whole stack, [(end-diastole, end-systole), class]."""

    said: str
    spent: tuple[float, float]
    """Processor time of the simulation and of the chain [s]."""


def described(index: int) -> Cine:
    """The scan of person ``index``: families in turn; noise, field and the first slice's place vary."""
    seed = FIRST + index
    random = np.random.default_rng(seed)
    patient, above = draw(seed, FAMILIES[index % len(FAMILIES)]), float(random.uniform(0, 1))
    sampling = Sampling(
        lines=MATRIX,
        slices=slices_needed(patient, THICKNESS + GAP, above),
        acceleration=2,
        reference_lines=24,
        calibration="embedded",
        repetition_time=3.2e-3,
    )
    scan = Protocol(
        sampling=sampling,
        columns=MATRIX,
        coils=6,
        pixel=PIXEL,
        thickness=THICKNESS,
        gap=GAP,
        snr=float(random.uniform(20, 60)),
        noise_readouts=64,
        dwell=2.5e-6,
        seed=seed,
    )
    field = float(random.choice([1.5, 3.0]))
    return Cine(patient=patient, scan=scan, views=16, states=STATES, above=above, field=field)


def measure(index: int) -> Stack:
    """Simulate one stack, stream it, compare."""
    cine = described(index)
    begin = time.process_time()
    simulation = simulate_cine(cine)
    readouts = list(runs(simulation))
    made = time.process_time()
    images = streamed(simulation, readouts)
    spent = made - begin, time.process_time() - made
    known = truth(simulation)
    labels = [image for image in images if "ScansideLabels" in image.meta]
    report = next(json.loads(str(each.meta[REPORT])) for each in images if REPORT in each.meta)
    values = {each["quantity"]: each["value"] for each in report["measurements"]}
    ours = np.array([values.get(name, np.nan) for name in ("lv_edv", "lv_esv", "lv_ef", "lv_mass")])
    heart = cine.patient.heart
    analytic = np.array([1e6 * heart.edv, 1e6 * heart.esv, 100 * heart.ef, 1e3 * heart.mass])
    found = known if not values else ordered(labels, known.shape)
    phases = 0, int((known == 1).sum((1, 2, 3)).argmin())
    dice = np.array([[overlap(found[p] == c, known[p] == c) for c in (1, 2, 3)] for p in phases])
    return Stack(
        name=f"{cine.patient.family} {FIRST + index}",
        ours=ours,
        masks=volumes(known),
        analytic=analytic,
        strain=(values.get("lv_strain_midwall", np.nan), strain(known)),
        dice=dice if values else np.full_like(dice, np.nan),
        said="; ".join(each for each in report["flags"] if "trained on" not in each),
        spent=spent,
    )


def streamed(simulation: CineSimulation, readouts: list[Any]) -> list[Image]:
    """The images that a console gets of the readouts."""
    replies: list[Any] = []
    scan = describe_cine(simulation, "cine")

    def messages() -> Iterator[Message]:
        yield Header(write_header(scan))
        for run in readouts:
            yield from split(run)
        yield Close()

    outcome = reconstruct(
        messages(), named("cine_function"), {}, lambda each: replies.extend(decode_all(each))
    )
    if outcome.error:
        raise outcome.error
    return [each for each in replies if isinstance(each, Image)]


def truth(simulation: CineSimulation) -> NDArray[np.uint8]:
    """The true labels, [phase, slice, y, x]."""
    found: NDArray[np.uint8] = torch.stack(simulation.labels).numpy().swapaxes(0, 1)
    return found


def ordered(labels: list[Image], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Label images by phase and slice, [phase, slice, y, x]."""
    out = np.zeros(shape, np.uint8)
    for image in labels:
        place = int(image.head["phase"]), int(image.head["slice"])
        out[place] = image.data[0, 0].numpy()
    return out


def volumes(labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """By ``QUANTITIES``, of labels [phase, slice, y, x]."""
    course = curves(labels, 1e6 * PIXEL**2 * (THICKNESS + GAP))
    ed, es = int(course[0].argmax()), int(course[0].argmin())
    edv, esv = course[0, ed], course[0, es]
    return np.array([edv, esv, 100 * (1 - esv / edv), course[1, ed] * DENSITY])


def strain(labels: NDArray[np.uint8]) -> float:
    """Peak midwall circumferential strain [%] of labels [phase, slice, y, x]; nan where there is none."""
    ed = int((labels == 1).sum((1, 2, 3)).argmax())
    course = circumferential(labels, ed)[1]
    return 100 * float(course.min()) if len(course) else float("nan")


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice of two masks."""
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def run() -> Iterator[Figure]:
    """A row for each stack, then bias and spread."""
    stacks, numbers = [], range(int(os.environ.get("SCANSIDE_STACKS", "12")))
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn"), initializer=_alone) as pool:
        for found in pool.map(measure, numbers):
            stacks.append(found)
            yield _row(found)
    good = [each for each in stacks if not np.isnan(each.ours).any()]
    yield Figure(name="stacks with numbers", value=len(good), limit=float(len(stacks)), sense="at least")
    if good:
        yield from _against("perfect masks", good, [each.masks for each in good])
        yield from _against("analytic volumes", good, [each.analytic for each in good])
        masks = [replace(each, ours=each.masks) for each in good]
        yield from _against("analytic volumes, of perfect masks", masks, [each.analytic for each in good])
        yield from _overlaps(good)
        yield from _strains(good)


def _alone() -> None:
    torch.set_num_threads(1)


def _row(one: Stack) -> Figure:
    pairs = zip(QUANTITIES, one.ours, one.masks, one.analytic, strict=True)
    words = ", ".join(f"{name} {ours:.0f} ({mask:.0f}, {known:.0f})" for name, ours, mask, known in pairs)
    dice = " ".join(f"{value:.2f}" for value in one.dice.ravel())
    note = f"{words}; Dice ED, ES {dice}; {one.said}; {one.spent[0]:.0f} + {one.spent[1]:.0f} CPU s"
    return Figure(name=one.name, value=float(one.ours[0]), unit="ml", note=note)


def _against(name: str, stacks: list[Stack], known: list[NDArray[np.float64]]) -> Iterator[Figure]:
    """Bias and 1.96 standard deviations: of EF in points, of the others in percent of what is known."""
    ours, true = np.array([each.ours for each in stacks]), np.array(known)
    for column, quantity in enumerate(QUANTITIES):
        points = quantity == "EF"
        error = ours[:, column] - true[:, column]
        error = error if points else 100 * error / true[:, column]
        yield Figure(
            name=f"{quantity} against {name}, bias",
            value=float(abs(error.mean())),
            unit="points" if points else "%",
            limit=ASKED[quantity] if name == "perfect masks" and not points else None,
            note=f"mean {error.mean():+.1f}, 1.96 sd {1.96 * error.std():.1f}, n {len(error)}",
        )
        if points:
            yield Figure(
                name=f"EF against {name}, 95 % within",
                value=float(np.percentile(abs(error), 95)),
                unit="points",
                limit={"perfect masks": 2.0, "analytic volumes": 5.0}.get(name),
            )


def _overlaps(stacks: list[Stack]) -> Iterator[Figure]:
    every = np.array([each.dice for each in stacks])
    for phase, moment in enumerate(("ED", "ES")):
        for label, name in enumerate(CLASSES):
            values = every[:, phase, label]
            spread = float(values.min()), float(values.max())
            yield Figure(name=f"Dice {name} {moment}, mean", value=float(values.mean()), spread=spread)


def _strains(stacks: list[Stack]) -> Iterator[Figure]:
    pairs = np.array([each.strain for each in stacks])
    error = (pairs[:, 0] - pairs[:, 1])[np.isfinite(pairs).all(1)]
    if len(error):
        yield Figure(
            name="midwall circumferential strain against perfect masks, bias",
            value=float(abs(error.mean())),
            unit="points",
            note=f"mean {error.mean():+.1f}, 1.96 sd {1.96 * error.std():.1f}, n {len(error)}",
        )
