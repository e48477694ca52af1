"""A planned Cartesian acquisition as a scanner would send it: header, flags, time stamps and geometry."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.head import READOUT_HEAD, Flag
from gadgets.scan import Encoding, Limit, Scan, Sequence, Space
from models.simulation.scan import Protocol

TICK = 0.0025
"""Unit of the time stamps [s]."""

DAY = 34_560_000
"""Ticks per day."""

Edges: TypeAlias = tuple[tuple[tuple[str, ...], Flag, Flag], ...]
"""Counters of ``LINE`` that change together, with the flags of their first and last line."""

_EDGES: Edges = (
    (("repetition", "slice"), Flag.FIRST_IN_SLICE, Flag.LAST_IN_SLICE),
    (("repetition", "slice", "average", "k2"), Flag.FIRST_IN_ENCODE_STEP1, Flag.LAST_IN_ENCODE_STEP1),
    (("repetition",), Flag.FIRST_IN_REPETITION, Flag.LAST_IN_REPETITION),
)
_EDGES_3D: Edges = (
    (("repetition", "slice", "average"), Flag.FIRST_IN_ENCODE_STEP2, Flag.LAST_IN_ENCODE_STEP2),
)


def describe(protocol: Protocol, name: str) -> Scan:
    """The header of the scan, under the name of its protocol."""
    return Scan(
        encodings=(_encoding(protocol),),
        sequence=Sequence(
            repetition_time=(protocol.sampling.repetition_time,),
            echo_time=(protocol.sampling.repetition_time / 2,),
            flip_angle=(math.radians(15),),
        ),
        noise_bandwidth=1.0,
        coil_labels=tuple(f"Coil_{number + 1}" for number in range(protocol.coils)),
        field_strength=3.0,
        patient_position="HFS",
        protocol=name,
        measurement_id=f"scanside_{protocol.seed}",
        parameters=_parameters(protocol),
    )


def heads(protocol: Protocol, lines: NDArray[Any]) -> Heads:
    """The headers of the planned lines (``models.simulation.sampling.LINE``), [readout]."""
    sampling = protocol.sampling
    head = _plain(protocol, len(lines))
    head["number_of_samples"] -= protocol.skipped
    head["center_sample"] -= protocol.skipped
    for name in ("average", "slice", "repetition"):
        head["idx"][name] = lines[name]
    head["idx"]["kspace_encode_step_1"] = lines["k1"] - sampling.first
    head["idx"]["kspace_encode_step_2"] = lines["k2"]
    edges = _EDGES + _EDGES_3D if sampling.partitions > 1 else _EDGES
    head["flags"] = edge_flags(lines, edges, sampling.calibration == "separate")
    head["scan_counter"] += protocol.noise_readouts
    before = protocol.noise_readouts * sampling.repetition_time
    head["acquisition_time_stamp"] = _ticks(protocol.start + before + lines["time"])
    head["position"][:, 2] = 1000 * _heights(protocol)[lines["slice"]]
    head["sample_time_us"] = 1e6 * protocol.dwell
    return head


def _heights(protocol: Protocol) -> NDArray[np.float64]:
    """Position of the middle of each slice or slab along z [m]."""
    partitions = protocol.sampling.partitions
    if partitions > 1:
        return np.array([protocol.height(0) + protocol.height(partitions - 1)]) / 2
    return np.array([protocol.height(index) for index in range(protocol.sampling.slices)])


def noise_heads(protocol: Protocol) -> Heads:
    """The headers of the readouts without excitation, [readout]."""
    head = _plain(protocol, protocol.noise_readouts)
    head["flags"] = Flag.NOISE_MEASUREMENT
    head["sample_time_us"] = 1e6 * protocol.noise_dwell
    times = np.arange(protocol.noise_readouts) * protocol.sampling.repetition_time
    head["acquisition_time_stamp"] = _ticks(protocol.start + times)
    return head


def _encoding(protocol: Protocol) -> Encoding:
    sampling, (columns, lines) = protocol.sampling, protocol.matrix
    width, height = protocol.fov
    over, partitions, depth = protocol.oversampling, sampling.partitions, protocol.depth
    interleaved = sampling.reduction > 1 and sampling.calibration == "interleaved"
    return Encoding(
        encoded=Space(matrix=(columns * over, lines, partitions), fov=(width * over, height, depth)),
        recon=Space(matrix=(columns, lines, partitions), fov=(width, height, depth)),
        limits=_limits(protocol),
        acceleration=(sampling.acceleration, sampling.acceleration_z),
        calibration=sampling.calibration if sampling.reduction > 1 else "noacceleration",
        interleaving="repetition" if interleaved else None,
    )


def _limits(protocol: Protocol) -> dict[str, Limit]:
    sampling = protocol.sampling
    samples, skipped = protocol.samples, protocol.skipped
    return {
        "kspace_encode_step_0": Limit(maximum=samples - 1 - skipped, center=samples // 2 - skipped),
        "kspace_encode_step_1": Limit(
            maximum=sampling.lines - 1 - sampling.first, center=sampling.lines // 2 - sampling.first
        ),
        "kspace_encode_step_2": Limit(maximum=sampling.partitions - 1, center=sampling.partitions // 2),
        "average": Limit(maximum=sampling.averages - 1),
        "slice": Limit(maximum=sampling.slices - 1),
        "contrast": Limit(),
        "phase": Limit(),
        "repetition": Limit(maximum=sampling.repetitions - 1),
        "set": Limit(),
        "segment": Limit(),
    }


def _parameters(protocol: Protocol) -> dict[str, float | int | str]:
    sampling = protocol.sampling
    if sampling.accelerated and sampling.calibration == "embedded":
        e1, e2 = len(sampling.reference), len(sampling.reference_k2)
        return {"EmbeddedRefLinesE1": e1, "EmbeddedRefLinesE2": e2}
    return {}


def _plain(protocol: Protocol, count: int) -> Heads:
    """What all readouts have in common."""
    head = np.zeros(count, READOUT_HEAD)
    samples = protocol.samples
    head["version"] = 1
    head["measurement_uid"] = protocol.seed + 1
    head["scan_counter"] = np.arange(count)
    head["number_of_samples"], head["center_sample"] = samples, samples // 2
    head["available_channels"] = head["active_channels"] = protocol.coils
    head["channel_mask"] = channel_mask(protocol.coils)
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
    return head


def channel_mask(channels: int) -> NDArray[np.uint64]:
    """The bits of the first ``channels`` channels, 16 words of 64."""
    bits = np.arange(16 * 64) < channels
    return np.packbits(bits, bitorder="little").view("<u8")


def edge_flags(lines: NDArray[Any], edges: Edges, separate: bool) -> NDArray[np.uint64]:
    """Kind of each line, first and last of slice and repetition; separate reference lines do not count."""
    flags = np.zeros(len(lines), np.uint64)
    both = lines["imaging"] & lines["reference"]
    flags[both] |= np.uint64(Flag.PARALLEL_CALIBRATION_AND_IMAGING)
    flags[lines["reference"] & ~both] |= np.uint64(Flag.PARALLEL_CALIBRATION)
    own = np.flatnonzero(lines["imaging"] | (not separate))
    for counters, first, last in edges:
        key = np.stack([lines[name][own] for name in counters], -1)
        flags[own[_first(key)]] |= np.uint64(first)
        flags[own[len(own) - 1 - _first(key[::-1])]] |= np.uint64(last)
    flags[-1] |= np.uint64(Flag.LAST_IN_MEASUREMENT)
    return flags


def _first(keys: NDArray[Any]) -> NDArray[np.int64]:
    """Index of the first row of each value."""
    _, inverse = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    first: NDArray[np.int64] = order[np.diff(inverse[order], prepend=-1) > 0]
    return first


def _ticks(seconds: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    ticks: NDArray[np.int64] = np.floor(seconds / TICK + 1e-6).astype(np.int64) % DAY
    return ticks
