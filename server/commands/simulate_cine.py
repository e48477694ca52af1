"""``scanside simulate cine``."""

import argparse
import json
import math
from typing import TYPE_CHECKING

from server.commands.arguments import at_least_1

if TYPE_CHECKING:
    from models.simulation.cine.protocol import Cine

WIDTH = 0.36
"""Field of view along x [m]."""

FIELD = 1.5
MATRIX = (256, 256)
REPETITION_TIME = 3.0
"""[ms]."""


def add(own: argparse.ArgumentParser) -> None:
    """Declare what only a cine scan has."""
    group = own.add_argument_group("cine")
    group.add_argument("--gating", default="retrospective", choices=("retrospective", "realtime"))
    group.add_argument(
        "--family", help="of people: normal, dilated, hypertrophic, infarct, right-dilated, small"
    )
    group.add_argument("--states", type=at_least_1, default=25, help="moments of the cycle (%(default)s)")
    group.add_argument("--views", type=at_least_1, default=12, help="lines in a segment (%(default)s)")
    group.add_argument("--frames", type=at_least_1, default=40, help="of a slice in real time (%(default)s)")
    group.add_argument(
        "--rr-jitter", type=float, metavar="PART", help="sd of the interval, as a part (0; perfusion 0.04)"
    )
    group.add_argument(
        "--breathing",
        type=float,
        metavar="MM",
        help="of the diaphragm: way, or sd between slices (0; perfusion 12)",
    )
    group.add_argument("--field", type=float, metavar="T", help="(1.5; perfusion 3, by bSSFP 1.5)")


def run(options: argparse.Namespace) -> int:
    """Simulate and write the scan; without --slices as many as cover the heart."""
    from models.simulation.cine.acquire import simulate_cine
    from server.cine import describe_cine, runs, truth, waveforms
    from server.files.header import write_header
    from server.files.opened import writable
    from server.files.scan import write_scan

    cine = _cine(options)
    simulation = simulate_cine(cine)
    count = write_scan(
        writable(options.output),
        write_header(describe_cine(simulation, options.kind), options.patient),
        runs(simulation),
        waveforms(simulation),
        truth=lambda: truth(simulation),
    )
    heart = cine.patient.heart
    facts = {
        "file": str(options.output),
        "readouts": count,
        "slices": cine.scan.sampling.slices,
        "family": cine.patient.family,
        "edv_ml": round(1e6 * heart.edv, 1),
        "ef": round(heart.ef, 3),
        "mass_g": round(1e3 * heart.mass, 1),
        "seconds": float(simulation.lines["time"][-1]),
    }
    print(
        json.dumps(facts) if options.json else ", ".join(f"{name} {value}" for name, value in facts.items())
    )
    return 0


def _cine(options: argparse.Namespace) -> "Cine":
    import torch

    from models.simulation.cine.protocol import Cine, slices_needed
    from models.simulation.patient import draw
    from models.simulation.sampling import Sampling
    from models.simulation.scan import Protocol, generator

    columns, lines = options.matrix or MATRIX
    patient = draw(options.seed, options.family)
    thickness, gap = 0.008, 0.002
    above = float(torch.rand((), generator=generator(options.seed, 8)))
    realtime = options.gating == "realtime"
    sampling = Sampling(
        lines=lines,
        slices=options.slices or slices_needed(patient, thickness + gap, above),
        acceleration=(options.acceleration or (1, 1))[0],
        reference_lines=min(options.reference_lines or 24, lines),
        calibration="interleaved" if realtime else options.calibration,
        partial_fourier=options.partial_fourier,
        repetition_time=(options.repetition_time or REPETITION_TIME) / 1000,
    )
    scan = Protocol(
        sampling=sampling,
        columns=columns,
        coils=8 if options.coils is None else options.coils,
        pixel=WIDTH / columns,
        thickness=thickness,
        gap=gap,
        oversampling=options.oversampling,
        echo=options.asymmetric_echo,
        snr=options.snr,
        noise_readouts=64 if options.noise_scan and math.isfinite(options.snr) else 0,
        dwell=2.5e-6,
        start=options.start,
        seed=options.seed,
    )
    return Cine(
        patient=patient,
        scan=scan,
        gating=options.gating,
        views=options.views,
        frames=options.frames,
        states=options.states,
        jitter=options.rr_jitter or 0.0,
        breath=(options.breathing or 0.0) / 1000,
        above=above,
        field=options.field or FIELD,
    )
