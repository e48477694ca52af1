"""The protocol of a twix measurement as an MRD header, by rules of ``siemens_to_ismrmrd``."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gadgets.data import Heads
from gadgets.scan import Encoding, Limit, Scan, Sequence, Space
from server.files.twix.bits import ASIDE, Bit, has
from server.files.twix.measurement import Measurement

BANDWIDTH = 0.793
"""Receiver noise bandwidth relative to 1 / dwell time of Siemens' receivers."""

CALIBRATION = {
    2: "embedded",
    4: "separate",
    8: "separate",
    16: "interleaved",
    32: "interleaved",
    64: "interleaved",
}
"""By ``sPat.ucRefScanMode``."""

INTERLEAVING = {16: "average", 32: "repetition", 64: "phase"}
TRAJECTORY = {1: "cartesian", 2: "radial", 4: "spiral", 8: "other"}
"""By ``sKSpace.ucTrajectory``."""

PROMISED = {
    "average": ("lAverages", 0),
    "contrast": ("lContrasts", 0),
    "repetition": ("lRepetitions", 1),
    "slice": ("sSliceArray.lSize", 0),
    "phase": ("sPhysioImaging.lPhases", 0),
}
"""The protocol's numbers of values of counters, and what to add to them."""


def describe(measurement: Measurement, head: Heads) -> Scan:
    """The header: geometry, limits, acceleration, times and coils. Names of patient and site are left out."""
    return Scan(
        encodings=(_encoding(measurement, head),),
        sequence=_sequence(measurement),
        noise_bandwidth=BANDWIDTH,
        coil_labels=_labels(measurement),
        field_strength=_first(measurement.system.get("flMagneticFieldStrength"), None),
        patient_position=str(measurement.derived.get("tPatientPosition") or ""),
        protocol=str(measurement.yaps.get("tProtocolName") or "").strip('"'),
        measurement_id=_name(measurement, int(_first(measurement.derived.get("MeasUID"), 0))),
        dependencies=_dependencies(measurement),
        parameters=_parameters(measurement),
    )


def dwell(measurement: Measurement) -> float:
    """Time between samples of imaging readouts [s]; 0 when the protocol does not say."""
    return 1e-9 * float(_first(_at(measurement.yaps, "sRXSPEC.alDwellTime"), 0))


def noise_dwell(measurement: Measurement, samples: int) -> float:
    """Time between the samples of noise readouts [s], which no header says: ``siemens_to_ismrmrd``'s rule."""
    if "AdjCoilSens" in str(measurement.yaps.get("tProtocolName")):
        return 4e-6 if "Quiet" in str(measurement.yaps.get("tProtocolName")) else 5e-6
    if "XA" in str(measurement.system.get("SoftwareVersions")):
        return 5e-6
    if not measurement.modern:
        return 1 / max(samples, 1) / 130
    return int(76800 / max(samples, 1)) * 1e-7


def _encoding(measurement: Measurement, head: Heads) -> Encoding:
    yaps, derived = measurement.yaps, measurement.derived
    encoded, recon = _spaces(measurement)
    mode = int(_first(_at(yaps, "sPat.ucRefScanMode"), 1))
    factors = tuple(int(_first(_at(yaps, f"sPat.{name}"), 1)) for name in ("lAccelFactPE", "lAccelFact3D"))
    accelerated = max(factors) > 1
    epi = _epi(measurement)
    trajectory = TRAJECTORY.get(int(_first(_at(yaps, "sKSpace.ucTrajectory"), 1)), "other")
    length = int(_first(measurement.system.get("EchoTrainLength"), 0))
    return Encoding(
        encoded=encoded,
        recon=recon,
        limits=_limits(measurement, head),
        trajectory="epi" if epi and trajectory == "cartesian" else trajectory,
        description="ConventionalEPI" if epi and _first(derived.get("alRegridRampupTime"), 0) else "",
        trajectory_parameters=_ramps(measurement, length) if epi else {},
        acceleration=(factors[0], factors[1]),
        calibration=CALIBRATION.get(mode, "other") if accelerated else "noacceleration",
        interleaving=INTERLEAVING.get(mode) if accelerated else None,
        echo_train_length=length or None,
    )


def _epi(measurement: Measurement) -> bool:
    """Whether lines alternate their direction after one excitation, with reference echoes to correct them."""
    masks = np.array([each.mdh.EvalInfoMask for each in measurement.lines], np.uint64)
    factor = int(_first(_at(measurement.yaps, "sFastImaging.lEPIFactor"), 1))
    return factor > 1 and bool(has(masks, Bit.PHASCOR).any())


def _ramps(measurement: Measurement, length: int) -> dict[str, float | int | str]:
    """The read gradient's trapezoid under one echo [us], by the names that Gadgetron reads."""
    derived = measurement.derived
    factor = int(_first(_at(measurement.yaps, "sFastImaging.lEPIFactor"), 1))
    names = {
        "rampUpTime": "alRegridRampupTime",
        "rampDownTime": "alRegridRampdownTime",
        "flatTopTime": "alRegridFlattopTime",
        "echoSpacing": "lEchoSpacing",
        "acqDelayTime": "alRegridDelaySamplesTime",
        "numSamples": "alRegridDestSamples",
    }
    found: dict[str, float | int | str] = {
        ours: int(_first(derived.get(theirs), 0)) for ours, theirs in names.items()
    }
    return {
        "etl": length or factor,
        "numberOfNavigators": _navigators(measurement),
        **found,
        "dwellTime": 1e6 * dwell(measurement),
    }


def _navigators(measurement: Measurement) -> int:
    """Reference echoes before the first line of an image."""
    count = 0
    for each in measurement.lines:
        mask = int(each.mdh.EvalInfoMask)
        if mask & Bit.PHASCOR:
            count += 1
        elif count and not mask & ASIDE:
            break
    return count


def _spaces(measurement: Measurement) -> tuple[Space, Space]:
    """Encoded and reconstructed matrix and field of view."""
    yaps, derived = measurement.yaps, measurement.derived
    side = (_at(yaps, "sSliceArray.asSlice") or [{}])[0]
    read, phase, depth = (
        1e-3 * float(_first(side.get(name), 0)) for name in ("dReadoutFOV", "dPhaseFOV", "dThickness")
    )
    over = float(_first(derived.get("flReadoutOSFactor"), 2))
    columns = int(_first(derived.get("ImageColumns"), _first(_at(yaps, "sKSpace.lBaseResolution"), 1)))
    lines = int(_first(derived.get("ImageLines"), _first(_at(yaps, "sKSpace.lPhaseEncodingLines"), 1)))
    steps = int(_first(derived.get("iPEFTLength"), lines))
    if int(_first(_at(yaps, "sKSpace.uc2DInterpolation"), 0)) == 1:
        steps //= 2
    partitions = _partitions(measurement)
    images = int(_first(_at(yaps, "sKSpace.lImagesPerSlab"), partitions)) if partitions > 1 else 1
    more = 1 + float(_first(_at(yaps, "sKSpace.dPhaseOversamplingForDialog"), 0))
    deeper = 1 + float(_first(_at(yaps, "sKSpace.dSliceOversamplingForDialog"), 0))
    full = int(_first(derived.get("iNoOfFourierColumns"), round(columns * over)))
    return (
        Space(matrix=(full, steps, partitions), fov=(read * over, phase * more, depth * deeper)),
        Space(matrix=(columns, lines, images), fov=(read, phase, depth)),
    )


def _partitions(measurement: Measurement) -> int:
    return max(int(_first(measurement.derived.get("i3DFTLength"), 1)), 1)


def _limits(measurement: Measurement, head: Heads) -> dict[str, Limit]:
    """What the protocol promises, or more where the readouts have more; centres as the readouts say."""
    yaps, derived = measurement.yaps, measurement.derived
    masks = np.array([each.mdh.EvalInfoMask for each in measurement.lines], np.uint64)
    images = head[~has(masks, ASIDE)]
    idx = images["idx"]
    most = {name: int(idx[name].max(initial=0)) for name in (*PROMISED, "set", "segment")}
    for name, (place, more) in PROMISED.items():
        most[name] = max(most[name], int(_first(_at(yaps, place), 1 - more)) + more - 1)
    lines = max(
        int(idx["kspace_encode_step_1"].max(initial=0)), int(_first(derived.get("iNoOfFourierLines"), 1)) - 1
    )
    depth = int(idx["kspace_encode_step_2"].max(initial=0))
    if _partitions(measurement) > 1:
        depth = max(depth, int(_first(derived.get("iNoOfFourierPartitions"), 1)) - 1)
    center = idx["user"][0] if len(idx) else np.zeros(8, int)
    return {
        "kspace_encode_step_1": Limit(maximum=lines, center=int(center[5])),
        "kspace_encode_step_2": Limit(maximum=depth, center=int(center[6])),
        **{name: Limit(maximum=value) for name, value in most.items()},
    }


def _sequence(measurement: Measurement) -> Sequence:
    yaps = measurement.yaps
    echoes = int(_first(yaps.get("lContrasts"), 1))

    def seconds(name: str, count: int | None = None) -> tuple[float, ...]:
        return tuple(1e-6 * float(value) for value in (yaps.get(name) or [])[:count] if value)

    return Sequence(
        repetition_time=seconds("alTR"),
        echo_time=seconds("alTE", echoes),
        inversion_time=seconds("alTI"),
        flip_angle=tuple(math.radians(angle) for angle in yaps.get("adFlipAngleDegree") or [] if angle),
    )


def _labels(measurement: Measurement) -> tuple[str, ...]:
    """Names of the channels in the order of the data, which is that of the receivers; empty when unknown."""
    select = _at(measurement.yaps, "sCoilSelectMeas.aRxCoilSelectData") or [{}]
    listed = [each for each in select[0].get("asList") or [] if each and each.get("lElementSelected")]
    listed.sort(key=lambda each: int(each.get("lADCChannelConnected") or 0))
    names = []
    for each in listed:
        coil = each.get("sCoilElementID") or {}
        parts = (coil.get(name, "") for name in ("tCoilID", "lCoilCopy", "tElement"))
        names.append(":".join(str(part).strip('"') for part in parts))
    return tuple(names)


def _name(measurement: Measurement, number: int) -> str:
    """Serial number, patient, study and measurement, as the scanner's own dependencies name it."""
    loids = (str(measurement.derived.get(name) or "")[5:] for name in ("PatientLOID", "StudyLOID"))
    serial = measurement.system.get("DeviceSerialNumber") or ""
    serial = int(serial) if isinstance(serial, float) and serial.is_integer() else serial
    return "_".join([str(serial), *loids, str(number)])


def _dependencies(measurement: Measurement) -> tuple[tuple[str, str], ...]:
    """Measurements that the reconstruction needs: map of the field, of the coils, noise."""
    text = str(measurement.derived.get("ReconMeasDependencies") or "")
    numbers = [int(word) for word in text.split() if word.isdigit()]
    named = zip(("RFMap", "SenMap", "Noise"), numbers, strict=False)
    return tuple((kind, _name(measurement, number)) for kind, number in named if number > 0)


def _parameters(measurement: Measurement) -> dict[str, float | int | str]:
    names = {"EmbeddedRefLinesE1": "sPat.lRefLinesPE", "EmbeddedRefLinesE2": "sPat.lRefLines3D"}
    found = {ours: _first(_at(measurement.yaps, theirs), None) for ours, theirs in names.items()}
    return {name: int(value) for name, value in found.items() if value}


def _at(tree: Mapping[str, Any], place: str) -> Any:  # noqa: ANN401 - a protocol's value
    """The value at ``a.b``; None where there is none."""
    value: Any = tree
    for name in place.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _first(value: Any, default: Any) -> Any:  # noqa: ANN401
    """A number, or the first of a list of numbers; the default where there is none."""
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return default if value is None or value == "" else value
