"""A simulated first pass as a scanner would send it: header, readouts, ECG and truth."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads, Readouts, Waveform
from gadgets.head import READOUT_HEAD, Flag
from gadgets.scan import PROTON, Encoding, Limit, Scan
from models.simulation.perfusion.acquire import PerfusionSimulation
from models.simulation.perfusion.scene import scene
from models.simulation.scan import Protocol
from server.acquisition import TICK, Edges, describe, edge_flags, heads, noise_heads
from server.ecg import electrocardiogram
from server.files.truth import Truth

EDGES: Edges = (
    (("repetition", "slice", "contrast"), Flag.FIRST_IN_SLICE, Flag.LAST_IN_SLICE),
    (("repetition",), Flag.FIRST_IN_REPETITION, Flag.LAST_IN_REPETITION),
)


def describe_perfusion(simulation: PerfusionSimulation, name: str) -> Scan:
    """The header: slices in encoding space 0, arterial images in 1; what quantification needs to know."""
    sequence = simulation.study.sequence
    scan = describe(_protocol(simulation, artery=False), name)
    arterial = describe(_protocol(simulation, artery=True), name)
    echoes = {"contrast": Limit(maximum=len(sequence.artery.echoes) - 1), "set": Limit(minimum=1, maximum=1)}
    muscle, artery = scan.encodings[0], _limited(arterial.encodings[0], echoes)
    return replace(
        scan,
        encodings=(muscle, artery),
        sequence=replace(
            scan.sequence,
            repetition_time=(sequence.muscle.spacing,),
            echo_time=(*sequence.muscle.echoes, *sequence.artery.echoes),
            inversion_time=(sequence.muscle.delay, sequence.artery.delay),
            flip_angle=(sequence.muscle.flip, sequence.muscle.flip_density),
        ),
        field_strength=sequence.field,
        resonance=PROTON * sequence.field,
        parameters={**scan.parameters, **_parameters(simulation)},
    )


def _limited(encoding: Encoding, limits: dict[str, Limit]) -> Encoding:
    return replace(encoding, limits={**encoding.limits, **limits})


def _parameters(simulation: PerfusionSimulation) -> dict[str, float | int | str]:
    """User parameters: times in ms and angles in degrees, as scanners write them."""
    sequence = simulation.study.sequence
    found: dict[str, float | int | str] = {
        "NumOfProtonDensityImages": sequence.density,
        "NumOfProtonDensityImagesAIF": sequence.density,
        "RunUpPulses": sequence.muscle.ramp or 0,
        "Readout": "FLASH" if sequence.muscle.ramp is None else "bSSFP",
        "ContrastState": simulation.study.state,
        "AIFEchoTime0": 1e3 * sequence.artery.echoes[0],
        "AIFEchoTime1": 1e3 * sequence.artery.echoes[-1],
    }
    for prefix, train in (("", sequence.muscle), ("AIF", sequence.artery)):
        found[f"{prefix}SaturationDelay"] = 1e3 * train.delay
        found[f"{prefix}EchoSpacing"] = 1e3 * train.spacing
        found[f"{prefix}FlipAngleSR"] = math.degrees(train.flip)
        found[f"{prefix}FlipAnglePD"] = math.degrees(train.flip_density)
    return found


def _protocol(simulation: PerfusionSimulation, *, artery: bool) -> Protocol:
    """The slices, or the arterial images, as a plain acquisition."""
    study = simulation.study
    sequence = study.sequence
    train = sequence.artery if artery else sequence.muscle
    sampling = replace(train.sampling, slices=1 if artery else sequence.slices, repetitions=len(study.waves))
    return Protocol(
        sampling=sampling,
        columns=train.matrix[0],
        coils=simulation.coils,
        pixel=sequence.fov[0] / train.matrix[0],
        thickness=sequence.thickness,
        oversampling=simulation.oversampling,
        noise_readouts=simulation.noise_readouts,
        dwell=simulation.dwell,
        noise_dwell=simulation.noise_dwell,
        seed=simulation.seed,
    )


def runs(simulation: PerfusionSimulation) -> Iterator[Readouts]:
    """The scan's readouts, the noise readouts first; equal descriptions give equal bytes."""
    if simulation.noise_readouts:
        protocol = _protocol(simulation, artery=False)
        yield Readouts(head=noise_heads(protocol), data=simulation.noise().numpy())
    head = _heads(simulation)
    for rows, data in simulation.readouts():
        yield Readouts(head=head[rows], data=data.numpy())


def _heads(simulation: PerfusionSimulation) -> Heads:
    lines, study = simulation.lines, simulation.study
    head = np.zeros(len(lines), READOUT_HEAD)
    for artery in (False, True):
        rows = lines["artery"] == artery
        part = heads(_protocol(simulation, artery=artery), lines[rows])
        part["flags"] = _flags(lines[rows])
        head[rows] = part
    head["encoding_space_ref"] = head["idx"]["set"] = lines["artery"]
    head["idx"]["contrast"] = lines["contrast"]
    head["flags"][-1] |= np.uint64(Flag.LAST_IN_MEASUREMENT)
    head["scan_counter"] = simulation.noise_readouts + np.arange(len(lines))
    head["physiology_time_stamp"][:, 0] = np.floor(lines["since"] / TICK + 1e-6)
    for index in range(-1, study.sequence.slices):
        rows = (lines["artery"] == (index < 0)) & (lines["slice"] == max(index, 0))
        plane = scene(study, index).plane
        head["position"][rows] = 1000 * np.array(plane.center)
        directions = (("read_dir", plane.column), ("phase_dir", plane.row), ("slice_dir", plane.normal))
        for name, vector in directions:
            head[name][rows] = vector
    return head


def _flags(lines: NDArray[Any]) -> NDArray[np.uint64]:
    flags = edge_flags(lines, EDGES, separate=True)
    flags[-1] &= ~np.uint64(Flag.LAST_IN_MEASUREMENT)
    return flags


def waveforms(simulation: PerfusionSimulation) -> Iterator[Waveform]:
    """The ECG, with a trigger at each heartbeat that was acquired."""
    protocol = _protocol(simulation, artery=False)
    begin = protocol.start + protocol.noise_readouts * protocol.sampling.repetition_time
    end = float(simulation.lines["time"][-1])
    return electrocardiogram(simulation.study.waves.numpy(), end, begin, simulation.seed + 1)


def truth(simulation: PerfusionSimulation) -> dict[str, Truth]:
    """What the scan was made from."""
    found = simulation.truth()
    study, first = simulation.study, simulation.study.sequence.density
    maps = {"mbf": "ml/min/g", "ps": "ml/min/g", "vb": "ml/g", "visf": "ml/g", "delay": "s"}
    sectors = "[sector], index 0 is AHA 1"
    by_sector = {
        name: Truth(values=getattr(found, name).numpy(), units=units, description=sectors)
        for name, units in maps.items()
    }
    by_pixel = {
        f"{name}_map": Truth(
            values=found.map(getattr(found, name)).numpy(), units=units, description="[slice, y, x]"
        )
        for name, units in maps.items()
    }
    times = np.stack([study.times(index)[first:].numpy() for index in range(study.sequence.slices)])
    own = study.times(-1)[first:].numpy()
    return {
        **by_sector,
        **by_pixel,
        "labels": Truth(values=found.labels.numpy(), units="1", description=LABELS),
        "reference": Truth(values=found.reference.numpy(), units="1", description="[slice, y, x]: as labels"),
        "sectors": Truth(values=found.sectors.numpy(), units="1", description="[slice, y, x]: AHA 1 to 16"),
        "insertion": Truth(values=found.insertion.numpy(), units="pixel", description=INSERTION),
        "center": Truth(values=found.center.numpy(), units="pixel", description="[slice, (y, x)]"),
        "displacement": Truth(values=found.displacement.numpy(), units="pixel, mm", description=WAY),
        "time": Truth(values=found.time.numpy(), units="s", description="[time]: of the curves"),
        "blood": Truth(values=found.blood.numpy(), units="mM", description="[time]: left ventricle"),
        "right_blood": Truth(values=found.right_blood.numpy(), units="mM", description="[time]"),
        "tissue": Truth(values=found.tissue.numpy(), units="mM", description="[sector, time]"),
        "aif": Truth(values=found.aif.numpy(), units="mM", description="[frame]: at aif_times"),
        "gd": Truth(values=found.gd.numpy(), units="mM", description="[slice, frame, sector]: at times"),
        "times": Truth(values=times, units="s", description="[slice, frame]: from the first reference line"),
        "aif_times": Truth(values=own, units="s", description="[frame]"),
        "haematocrit": Truth(values=np.array(found.haematocrit), units="1"),
        "cnr": Truth(values=np.array(simulation.cnr), units="1", description=CNR),
        "noise_covariance": Truth(
            values=(simulation.mix @ simulation.mix.mH).numpy(), units="signal^2", description="[coil, coil]"
        ),
    }


LABELS = (
    "[slice, frame, y, x], frames with saturation: 1 left cavity with papillary muscles, 2 left muscle,"
    " 3 right cavity"
)
INSERTION = "[slice, (anterior, inferior), (y, x)]: where the right ventricle meets the left one"
WAY = "[slice, frame, (y, x, through)]: of the heart from end-expiration; through the slice in mm"
CNR = "peak enhancement of healthy muscle under stress over the noise's sd after parallel imaging"
