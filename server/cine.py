"""A simulated cine scan as a scanner would send it: header, readouts, ECG and truth."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads, Readouts, Waveform
from gadgets.head import Flag
from gadgets.scan import Limit, Scan
from models.simulation.cine.acquire import CineSimulation
from models.simulation.cine.protocol import Cine
from server.acquisition import TICK, Edges, describe, edge_flags, heads, noise_heads
from server.ecg import electrocardiogram
from server.files.truth import Truth

IMAGE = (
    "[slice, state, y, x]: magnitude of a perfect reconstruction of noiseless full data of a moment, coils"
    " combined along their true sensitivities after prewhitening; states as in phase, or frames in real time"
)
LABELS = "[slice, state, y, x]: 1 left cavity with papillary muscles, 2 left muscle, 3 right cavity"

EDGES: Edges = (
    (("slice",), Flag.FIRST_IN_SLICE, Flag.LAST_IN_SLICE),
    (("slice", "phase"), Flag.FIRST_IN_PHASE, Flag.LAST_IN_PHASE),
    (("slice", "phase", "segment"), Flag.FIRST_IN_SEGMENT, Flag.LAST_IN_SEGMENT),
)
EDGES_REALTIME: Edges = (
    (("slice", "phase"), Flag.FIRST_IN_PHASE, Flag.LAST_IN_PHASE),
    (("slice", "phase"), Flag.FIRST_IN_SLICE, Flag.LAST_IN_SLICE),
)
"""In real time each frame ends its slice, as far as the console can know."""


def describe_cine(simulation: CineSimulation, name: str) -> Scan:
    """The header: counters for phases and segments, balanced SSFP's times and angles."""
    cine, lines = simulation.cine, simulation.lines
    scan = describe(cine.scan, name)
    (encoding,) = scan.encodings
    limits = {
        **encoding.limits,
        "phase": Limit(maximum=int(lines["phase"].max())),
        "segment": Limit(maximum=int(lines["segment"].max())),
    }
    encoding = replace(encoding, limits=limits, interleaving="phase" if encoding.interleaving else None)
    gated: dict[str, float | int | str] = {
        "RetroGatedImages": cine.states,
        "RetroGatedSegmentSize": cine.views,
    }
    more = gated if cine.gating == "retrospective" else {}
    return replace(
        scan,
        encodings=(encoding,),
        sequence=replace(scan.sequence, flip_angle=(cine.flip,)),
        field_strength=cine.field,
        parameters={**scan.parameters, **more},
    )


def runs(simulation: CineSimulation) -> Iterator[Readouts]:
    """The scan's readouts, the noise readouts first; equal descriptions give equal bytes."""
    if simulation.cine.scan.noise_readouts:
        yield Readouts(head=noise_heads(simulation.cine.scan), data=simulation.noise().numpy())
    head = _heads(simulation.cine, simulation.lines)
    for rows, data in simulation.readouts():
        yield Readouts(head=head[rows], data=data.numpy())


def _heads(cine: Cine, lines: NDArray[Any]) -> Heads:
    head = heads(cine.scan, lines)
    head["flags"] = edge_flags(
        lines, EDGES if cine.gating == "retrospective" else EDGES_REALTIME, separate=False
    )
    for name in ("phase", "segment"):
        head["idx"][name] = lines[name]
    head["physiology_time_stamp"][:, 0] = np.floor(lines["since"] / TICK + 1e-6)
    for index in range(cine.scan.sampling.slices):
        plane, rows = cine.plane(index), lines["slice"] == index
        head["position"][rows] = 1000 * np.array(plane.center)
        directions = (("read_dir", plane.column), ("phase_dir", plane.row), ("slice_dir", plane.normal))
        for name, vector in directions:
            head[name][rows] = vector
    return head


def waveforms(simulation: CineSimulation) -> Iterator[Waveform]:
    """The ECG."""
    lines, scan = simulation.lines, simulation.cine.scan
    begin = scan.start + scan.noise_readouts * scan.sampling.repetition_time
    end = float(lines["time"][-1])
    return electrocardiogram(lines["time"] - lines["since"], end, begin, scan.seed + 1)


def truth(simulation: CineSimulation) -> dict[str, Truth]:
    """What the scan was made from; complete only when all readouts have been made."""
    cine, heart = simulation.cine, simulation.cine.patient.heart
    phases = np.arange(cine.states) / cine.states
    volumes = np.array([heart.volumes(float(phase)) for phase in phases])
    heights = np.array([cine.height(index) for index in range(cine.scan.sampling.slices)])
    summary = {"edv": heart.edv, "esv": heart.esv, "right_edv": heart.right_edv}
    return {
        "image": Truth(
            values=np.stack([each.numpy() for each in simulation.images]),
            units="noise standard deviations" if simulation.level else "signal",
            description=IMAGE,
        ),
        "labels": Truth(
            values=np.stack([each.numpy() for each in simulation.labels]), units="1", description=LABELS
        ),
        "phase": Truth(values=phases, units="heartbeats", description="[state]: from the R wave"),
        "volumes": Truth(
            values=1e6 * volumes, units="ml", description="[state, (left, right)]: of the heart"
        ),
        "height": Truth(
            values=heights, units="m", description="[slice]: above the widest place of the heart"
        ),
        **{name: Truth(values=np.array(1e6 * value), units="ml") for name, value in summary.items()},
        "ef": Truth(values=np.array(heart.ef), units="1", description="left ejection fraction"),
        "right_ef": Truth(values=np.array(heart.right_ef), units="1"),
        "mass": Truth(values=np.array(1e3 * heart.mass), units="g", description="of the left muscle"),
        "interval": Truth(values=np.array(heart.cycle.interval), units="s", description="mean, R to R"),
        "noise_covariance": Truth(
            values=(simulation.mix @ simulation.mix.mH).numpy(), units="signal^2", description="[coil, coil]"
        ),
    }
