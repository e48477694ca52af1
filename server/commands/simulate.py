"""``scanside simulate``: scans with a known truth inside."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands import simulate_cine, simulate_perfusion
from server.commands.arguments import at_least_1, factors, matrix, time_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gadgets.data import Readouts
    from gadgets.scan import Scan
    from models.simulation.scan import Protocol, Simulation

REPETITION_TIME = 5.0
"""[ms]."""

MATRIX = (256, 256)
KINDS = ("shepp-logan", "epi", "cine", "perfusion")


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("simulate", help="write a simulated scan with its truth inside")
    own.add_argument("kind", choices=KINDS, help="what is scanned")
    own.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.h5", help="ISMRMRD HDF5 file")
    own.add_argument(
        "--matrix", type=matrix, metavar="N | NXxNY", help="pixels of the image (256; perfusion 192x144)"
    )
    own.add_argument("--coils", type=int, help="receive channels (8; perfusion 12)")
    own.add_argument("--repetitions", type=int, default=1, help="each a tenth brighter (%(default)s)")
    own.add_argument(
        "--slices", type=int, help="of heads (1), each a little smaller and turned; of a heart (all)"
    )
    own.add_argument(
        "--partitions", type=at_least_1, default=1, metavar="N", help="3D when more than 1 (%(default)s)"
    )
    own.add_argument("--averages", type=int, default=1, help="(%(default)s)")
    _add_sampling(own)
    _add_noise(own)
    simulate_cine.add(own)
    simulate_perfusion.add(own)
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def _add_sampling(own: argparse.ArgumentParser) -> None:
    group = own.add_argument_group("sampling")
    group.add_argument(
        "--acceleration", type=factors, metavar="R | RYxRZ", help="along y, and z (1; perfusion 3)"
    )
    group.add_argument(
        "--caipi", type=int, default=0, metavar="N", help="lines from partition to partition (%(default)s)"
    )
    group.add_argument("--reference-lines", type=int, metavar="N", help="central (24, or all)")
    group.add_argument("--reference-partitions", type=at_least_1, metavar="N", help="that have them")
    group.add_argument("--calibration", default="embedded", choices=("embedded", "separate", "interleaved"))
    group.add_argument(
        "--partial-fourier", type=float, default=1.0, metavar="F", help="along y, 0.5 < F <= 1"
    )
    group.add_argument(
        "--asymmetric-echo", type=float, default=1.0, metavar="F", help="part of readout, 0.5 < F <= 1"
    )
    group.add_argument(
        "--shots", type=at_least_1, default=1, metavar="N", help="of an EPI image (%(default)s)"
    )
    group.add_argument("--order", default="linear", choices=("linear", "centric", "interleaved", "random"))
    group.add_argument("--slice-order", default="sequential", choices=("sequential", "interleaved"))
    group.add_argument(
        "--oversampling", type=int, default=2, choices=(1, 2), help="of readouts (%(default)s)"
    )
    group.add_argument("--repetition-time", type=float, metavar="MS", help="(5; cine 3)")
    group.add_argument(
        "--patient", default="", metavar="ID", help="an invented one, with a study: what archives ask for"
    )
    group.add_argument(
        "--start", type=time_of_day, default="10:00:00", metavar="HH:MM:SS", help="of the scan (%(default)s)"
    )


def _add_noise(own: argparse.ArgumentParser) -> None:
    group = own.add_argument_group("noise")
    group.add_argument(
        "--noise-scan", action=argparse.BooleanOptionalAction, default=True, help="64 readouts"
    )
    group.add_argument(
        "--snr",
        type=float,
        default=30.0,
        help="mean over the object of signal / noise sd in the fully sampled, optimally combined image of one"
        " average (%(default)s)",
    )
    group.add_argument("--seed", type=int, default=0, help="of noise and random order (%(default)s)")


def run(options: argparse.Namespace) -> int:
    """Simulate and write the scan."""
    if options.kind == "cine":
        return simulate_cine.run(options)
    if options.kind == "perfusion":
        return simulate_perfusion.run(options)
    import json

    from models.simulation.scan import simulate
    from server.files.header import write_header
    from server.files.opened import writable
    from server.files.scan import write_scan
    from server.simulate import truth

    protocol = _protocol(options)
    writable(options.output)
    simulation = simulate(protocol)
    scan, readouts = _acquired(simulation, options)
    count = write_scan(options.output, write_header(scan, options.patient), readouts, truth=truth(simulation))
    facts = {
        "file": str(options.output),
        "readouts": count,
        "bytes": options.output.stat().st_size,
        "seconds": float(simulation.lines["time"][-1]) + protocol.sampling.repetition_time,
    }
    if options.json:
        print(json.dumps(facts))
    else:
        size, duration = f"{facts['bytes'] / 1e6:.1f} MB", f"{facts['seconds']:.1f} s of scan"
        print(f"{options.output}: {count} readouts, {size}, {duration}")
    return 0


def _acquired(simulation: "Simulation", options: argparse.Namespace) -> tuple["Scan", "Iterator[Readouts]"]:
    """The header and the readouts of the scan."""
    from models.simulation.epi import Train, simulate_epi
    from server import epi
    from server.acquisition import describe
    from server.simulate import runs

    if options.kind != "epi":
        return describe(simulation.protocol, options.kind), runs(simulation)
    trains = simulate_epi(simulation, Train(shots=options.shots))
    return epi.describe_epi(trains, options.kind), epi.runs(trains)


def _protocol(options: argparse.Namespace) -> "Protocol":
    import math

    from models.simulation.sampling import Sampling
    from models.simulation.scan import Protocol

    columns, lines = options.matrix or MATRIX
    along_y, along_z = options.acceleration or (1, 1)
    sampling = Sampling(
        lines=lines,
        partitions=options.partitions,
        slices=1 if options.slices is None else options.slices,
        repetitions=options.repetitions,
        averages=options.averages,
        acceleration=along_y,
        acceleration_z=along_z,
        caipi=options.caipi,
        reference_lines=_reference_lines(options.reference_lines, lines),
        reference_partitions=options.reference_partitions,
        calibration=options.calibration,
        partial_fourier=options.partial_fourier,
        order=options.order,
        slice_order=options.slice_order,
        repetition_time=(options.repetition_time or REPETITION_TIME) / 1000,
    )
    return Protocol(
        sampling=sampling,
        columns=columns,
        coils=8 if options.coils is None else options.coils,
        oversampling=options.oversampling,
        echo=options.asymmetric_echo,
        snr=options.snr,
        noise_readouts=64 if options.noise_scan and math.isfinite(options.snr) else 0,
        start=options.start,
        seed=options.seed,
    )


def _reference_lines(asked: int | None, lines: int) -> int:
    """How many there are: as many as were asked for, of use or not, else the usual ones.

    Raises SimulationError for more than there are lines.
    """
    from models.errors import SimulationError

    if asked is None:
        return min(24, lines)
    if not 0 <= asked <= lines:
        raise SimulationError(f"{asked} reference lines, expected 0 to {lines}")
    return asked
