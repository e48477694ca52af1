"""``scanside simulate perfusion``."""

import argparse
import json
from typing import TYPE_CHECKING

from server.commands.arguments import above_zero, at_least_0, at_least_1

if TYPE_CHECKING:
    from models.simulation.perfusion.study import Study

MATRIX = (192, 144)


def add(own: argparse.ArgumentParser) -> None:
    """Declare what only a first pass has."""
    group = own.add_argument_group("perfusion")
    group.add_argument("--beats", type=at_least_1, default=60, help="with saturation (%(default)s)")
    group.add_argument(
        "--density", type=at_least_0, default=3, help="heartbeats of proton density before (%(default)s)"
    )
    group.add_argument("--generator", default="btex", help="of tissue: btex, pde, 2cxm (%(default)s)")
    group.add_argument(
        "--readout",
        default="flash",
        choices=("flash", "bssfp"),
        help="of the slices (%(default)s); bSSFP has proton density by FLASH and is at 1.5 T unless --field",
    )
    group.add_argument("--state", default="stress", choices=("stress", "rest"), help="(%(default)s)")
    group.add_argument(
        "--cnr",
        type=above_zero,
        default=12.0,
        help="peak enhancement of healthy muscle under stress over noise sd behind parallel imaging"
        " (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Simulate and write the scan."""
    from models.simulation.perfusion.acquire import simulate_perfusion
    from server.files.header import write_header
    from server.files.opened import writable
    from server.files.scan import write_scan
    from server.perfusion import describe_perfusion, runs, truth, waveforms

    study = _study(options)
    simulation = simulate_perfusion(study, options.cnr, options.coils or 12, options.seed)
    count = write_scan(
        writable(options.output),
        write_header(describe_perfusion(simulation, options.kind), options.patient),
        runs(simulation),
        waveforms(simulation),
        truth=lambda: truth(simulation),
    )
    facts = {
        "file": str(options.output),
        "readouts": count,
        "slices": study.sequence.slices,
        "beats": study.sequence.beats,
        "family": study.patient.family,
        "mbf": [round(value, 2) for value in study.flow.mbf.tolist()],
        "seconds": round(float(simulation.lines["time"][-1]), 2),
    }
    print(
        json.dumps(facts) if options.json else ", ".join(f"{name} {value}" for name, value in facts.items())
    )
    return 0


def _study(options: argparse.Namespace) -> "Study":
    from models.simulation.perfusion.sequence import standard
    from models.simulation.perfusion.study import draw_study

    sequence = standard(
        matrix=options.matrix or MATRIX,
        acceleration=(options.acceleration or (3, 1))[0],
        slices=options.slices or 3,
        beats=options.beats,
        density=options.density,
        field=options.field or (3.0 if options.readout == "flash" else 1.5),
        readout=options.readout,
    )
    return draw_study(
        options.seed,
        options.generator,
        family=options.family,
        state=options.state,
        sequence=sequence,
        breath=(12.0 if options.breathing is None else options.breathing) / 1000,
        jitter=0.04 if options.rr_jitter is None else options.rr_jitter,
    )
