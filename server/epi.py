"""The readouts of a simulated echo-planar scan with their MRD headers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gadgets.data import Heads, Readouts
from gadgets.head import Flag
from gadgets.scan import Limit, Scan
from models.simulation.epi import EpiSimulation
from server.acquisition import describe, heads, noise_heads


def describe_epi(simulation: EpiSimulation, name: str) -> Scan:
    """The header of the scan: that of its object, and the gradient under an echo."""
    protocol, train = simulation.base.protocol, simulation.train
    scan = describe(protocol, name)
    times = {key: 1e6 * value for key, value in train.gradient(protocol.samples, protocol.dwell).items()}
    length = int(protocol.sampling.regular().sum()) // train.shots
    parameters: dict[str, float | int | str] = {
        "etl": length,
        "numberOfNavigators": train.navigators,
        "rampUpTime": times["up"],
        "rampDownTime": times["down"],
        "flatTopTime": times["flat"],
        "acqDelayTime": times["delay"],
        "echoSpacing": times["up"] + times["flat"] + times["down"],
        "numSamples": protocol.samples,
        "dwellTime": times["dwell"],
    }
    encoding = replace(
        scan.encodings[0],
        trajectory="epi",
        description="ConventionalEPI",
        trajectory_parameters=parameters,
        echo_train_length=length,
        limits={**scan.encodings[0].limits, "segment": Limit(maximum=train.shots - 1)},
    )
    return replace(scan, encodings=(encoding,))


def runs(simulation: EpiSimulation) -> Iterator[Readouts]:
    """The scan's readouts, the noise readouts first; equal simulations give equal bytes."""
    base = simulation.base
    if base.protocol.noise_readouts:
        yield Readouts(head=noise_heads(base.protocol), data=base.noise().numpy())
    head = _heads(simulation)
    for rows, data in simulation.readouts():
        yield Readouts(head=head[rows], data=data.numpy())


def _heads(simulation: EpiSimulation) -> Heads:
    lines = simulation.lines
    head = heads(simulation.base.protocol, lines)
    flags = np.zeros(len(lines), np.uint64)
    for name, flag in (
        ("reverse", Flag.REVERSE),
        ("navigator", Flag.PHASE_CORRECTION),
        ("reference", Flag.PARALLEL_CALIBRATION),
        ("end", Flag.LAST_IN_SLICE),
    ):
        flags[lines[name]] |= np.uint64(int(flag))
    flags[-1] |= np.uint64(int(Flag.LAST_IN_MEASUREMENT))
    head["flags"] = flags
    head["idx"]["segment"] = lines["segment"]
    centre = simulation.base.protocol.sampling.lines // 2 - simulation.base.protocol.sampling.first
    head["idx"]["kspace_encode_step_1"][lines["navigator"]] = centre
    return head
