"""What the header has to say before a signal is quantified; documented as a table in docs/perfusion.md."""

import math
from dataclasses import dataclass

from gadgets.scan import PROTON, Scan
from models.kinetics.concentration import RELAXIVITY, RELAXIVITY_T2, Readout
from models.perfusion.protocol import NATIVE, NATIVE_T2, Protocol

SPOILED = ("FLASH", "GRE", "SPGR", "TURBOFLASH")
BALANCED = ("BSSFP", "SSFP", "TRUEFISP", "FIESTA", "BFFE")
"""What scanners call readouts that there are look-up tables for."""

AGREE = 0.1
"""How far the field strength may be off that of the proton's resonance: "3 T" are 2.89 T on some scanners."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of it."""

    protocol: Protocol | None
    """None when something is missing."""

    missing: tuple[str, ...]
    """What is missing or wrong, each by its name."""


class _Reader:
    """Reads numbers by name and remembers which were not there."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.missing: list[str] = []

    def number(self, name: str, scale: float, other: float | None = None, *, zero: bool = False) -> float:
        """A user parameter times ``scale``, else ``other``; a missing one is remembered and 1."""
        value = self._scan.parameters.get(name)
        try:
            found = float(value) * scale if value is not None else other
        except ValueError:
            found = None
        if found is None:
            self.missing.append(f"{name} is not in the header")
            return 1.0
        if not math.isfinite(found) or found < 0 or (found == 0 and not zero):
            self.missing.append(f"{name} is {found / scale:g}, expected more than 0")
            return 1.0
        return found

    def known(self, name: str, scale: float, other: float) -> float:
        """The same, but 0 stands for unknown, as consoles write it: then ``other``."""
        return (
            other
            if str(self._scan.parameters.get(name, "")).strip() in ("0", "0.0")
            else (self.number(name, scale, other))
        )


def read(scan: Scan, muscle_pulse: int, arterial_pulse: int) -> Found:
    """The protocol of a scan, given how many pulses come before the centre of k-space.

    User parameters decide; where one is missing the sequence section may tell (TR, TI, flip angles, TE).
    """
    reader = _Reader(scan)
    muscle, arterial = _readouts(scan, reader, muscle_pulse, arterial_pulse, balanced=_balanced(scan, reader))
    first = reader.number("AIFEchoTime0", 1e-3, _nth(scan.sequence.echo_time, 1))
    second = scan.parameters.get("AIFEchoTime1") or _nth(scan.sequence.echo_time, 2)
    echoes = (
        (first,)
        if second is None
        else (first, reader.number("AIFEchoTime1", 1e-3, _nth(scan.sequence.echo_time, 2)))
    )
    if len(echoes) == 2 and echoes[1] <= echoes[0]:
        reader.missing.append(
            f"AIFEchoTime1 is {1e3 * echoes[1]:g} ms, expected more than the first, {1e3 * echoes[0]:g} ms"
        )
    tissue = _tissue(scan, reader)
    if reader.missing:
        return Found(protocol=None, missing=tuple(dict.fromkeys(reader.missing)))
    return Found(
        protocol=Protocol(
            muscle=muscle,
            arterial=arterial,
            echo_times=echoes,
            **tissue,
        ),
        missing=(),
    )


def _balanced(scan: Scan, reader: _Reader) -> bool:
    """Whether the slices are balanced; proton density and arterial images have to be spoiled."""
    style = {name: str(scan.parameters.get(name, "FLASH")) for name in ("Readout", "ReadoutPD", "AIFReadout")}
    for name, value in style.items():
        known = (*SPOILED, *BALANCED) if name == "Readout" else SPOILED
        if value.upper() not in known:
            either = "FLASH or bSSFP" if name == "Readout" else "FLASH"
            reader.missing.append(f"{name} is {value}, expected {either}: no look-up table for others")
    return style["Readout"].upper() in BALANCED


def _readouts(
    scan: Scan, reader: _Reader, muscle: int, arterial: int, *, balanced: bool
) -> tuple[Readout, Readout]:
    sequence = scan.sequence
    runup = int(reader.number("RunUpPulses", 1.0, None if balanced else 0.0, zero=True))
    angle = math.pi / 180
    flip = reader.number("FlipAngleSR", angle, _nth(sequence.flip_angle, 0))
    own = Readout(
        flip=flip,
        flip_density=reader.number("FlipAnglePD", angle, _nth(sequence.flip_angle, 1)),
        repetition=reader.number("EchoSpacing", 1e-3, _nth(sequence.repetition_time, 0)),
        delay=reader.number("SaturationDelay", 1e-3, _nth(sequence.inversion_time, 0)),
        pulse=muscle if balanced else muscle + runup,
        ramp=runup if balanced else None,
    )
    arterial_flip = reader.number("AIFFlipAngleSR", angle)
    return own, Readout(
        flip=arterial_flip,
        flip_density=reader.number("AIFFlipAnglePD", angle),
        repetition=reader.number("AIFEchoSpacing", 1e-3),
        delay=reader.number("AIFSaturationDelay", 1e-3, _nth(sequence.inversion_time, 1)),
        pulse=arterial,
    )


def _tissue(scan: Scan, reader: _Reader) -> dict[str, float]:
    """T1 and T2 of blood and of muscle [s], and the relaxivities [1 / (mM s)], by the field strength."""
    strength = scan.field_strength
    if scan.resonance is not None:
        tuned = scan.resonance / PROTON
        if strength is not None and abs(strength - tuned) > AGREE * tuned:
            reader.missing.append(
                f"systemFieldStrength_T is {strength:g}, but the resonance of {1e-6 * scan.resonance:.1f} MHz"
                f" is that of {tuned:.2f} T: T1 and relaxivity are not known"
            )
            return {}
        strength = tuned if strength is None else strength
    near = [each for each in NATIVE if strength is not None and abs(each - strength) < 0.15 * each]
    if not near:
        reader.missing.append(
            "systemFieldStrength_T is not in the header"
            if strength is None
            else f"systemFieldStrength_T is {strength:g}, expected one near {' or '.join(map(str, NATIVE))}"
        )
        return {}
    field = near[0]
    (blood, muscle), (blood_t2, muscle_t2) = NATIVE[field], NATIVE_T2[field]
    return {
        "t1_blood": reader.number("BloodT1", 1e-3, blood),
        "t1_muscle": reader.number("MyocardiumT1", 1e-3, muscle),
        "relaxivity": reader.number("RelaxivityR1", 1.0, RELAXIVITY[field]),
        "t2_blood": reader.known("BloodT2", 1e-3, blood_t2),
        "t2_muscle": reader.known("MyocardiumT2", 1e-3, muscle_t2),
        "relaxivity_t2": reader.known("RelaxivityR2", 1.0, RELAXIVITY_T2[field]),
    }


def _nth(values: tuple[float, ...], at: int) -> float | None:
    return values[at] if len(values) > at else None


def density_frames(scan: Scan) -> tuple[int | None, int | None]:
    """How many frames of proton density come first, in the slices and in the arterial images."""

    def whole(name: str) -> int | None:
        value = scan.parameters.get(name)
        try:
            return None if value is None else int(float(value))
        except ValueError:
            return None

    muscle = whole("NumOfProtonDensityImages")
    arterial = whole("NumOfProtonDensityImagesAIF")
    return muscle, muscle if arterial is None else arterial


def haematocrit(scan: Scan, given: float | None, assumed: float) -> tuple[float, str]:
    """The haematocrit and where it is from: the chain, the header (a fraction or percent), or assumed."""
    if given is not None:
        return given, "chain"
    known = ("haematocrit", "hematocrit", "hct")
    for name, value in scan.parameters.items():
        if name.lower() in known:
            try:
                found = float(value)
            except ValueError:
                continue
            found = found / 100 if found > 1 else found
            if 0.15 <= found <= 0.7:
                return found, "header"
    return assumed, "assumed"
