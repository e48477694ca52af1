"""What every gadget may know about the measurement: the header, in SI units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gadgets.errors import DataError

PROTON = 42.577478518e6
"""Gyromagnetic ratio over 2 pi of the proton [Hz/T] (CODATA 2018)."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The range of one encoding counter."""

    minimum: int = 0
    maximum: int = 0
    center: int = 0

    @property
    def size(self) -> int:
        """How many values the counter takes."""
        return self.maximum - self.minimum + 1


@dataclass(frozen=True, kw_only=True)
class Space:
    """A matrix and the field of view that it covers."""

    matrix: tuple[int, int, int]
    """Number of points, (x, y, z)."""

    fov: tuple[float, float, float]
    """Field of view [m], (x, y, z)."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """One encoding space: what is acquired and what is to be reconstructed."""

    encoded: Space
    recon: Space
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By counter, named as in a readout's header: ``kspace_encode_step_1``, ``average``, ``slice``, ..."""

    trajectory: str = "cartesian"
    description: str = ""
    """Identifier of the header's trajectory description: ``ConventionalEPI``, ..."""

    trajectory_parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    """What that description says, by name and in its own units: ``rampUpTime``, ``flatTopTime`` [us], ..."""

    acceleration: tuple[int, int] = (1, 1)
    """Acceleration factor along k1 and k2."""

    calibration: str = "noacceleration"
    """``embedded``, ``interleaved``, ``separate``, ``external``, ``other`` or ``noacceleration``."""

    interleaving: str | None = None
    """The counter along which interleaved acceleration shifts its lines."""

    multiband: int = 1
    echo_train_length: int | None = None

    def limit(self, counter: str) -> Limit | None:
        """The range of a counter; None when the header does not give it."""
        return self.limits.get(counter)


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Times [s] and angles [rad] of the pulse sequence; empty where the header gives none."""

    repetition_time: tuple[float, ...] = ()
    echo_time: tuple[float, ...] = ()
    inversion_time: tuple[float, ...] = ()
    flip_angle: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The measurement's header. An empty section of it leaves its default here."""

    encodings: tuple[Encoding, ...] = ()
    sequence: Sequence = field(default_factory=Sequence)
    noise_bandwidth: float | None = None
    """Receiver noise bandwidth relative to 1 / dwell time (``relativeReceiverNoiseBandwidth``)."""

    coil_labels: tuple[str, ...] = ()
    """Coil names in the order of the channels."""

    field_strength: float | None = None
    """[T]."""

    resonance: float | None = None
    """Of the proton, as the scanner was tuned to it [Hz]; None when the header has no plausible one."""

    patient_position: str = ""
    """``HFS``, ``FFP``, ..."""

    protocol: str = ""
    measurement_id: str = field(default="", repr=False)
    dependencies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(type, measurement id) of measurements that this one needs."""

    patient_id: str = field(default="", repr=False)
    device: str = field(default="", repr=False)
    """Whom and where was measured; empty when the header does not say. Like the measurement ids, these are
    never shown: ``pseudonyms`` has what may be."""

    pseudonyms: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By measurement id, what it is called where people read it."""

    patient_height: float | None = field(default=None, repr=False)
    """[m]."""

    patient_weight: float | None = field(default=None, repr=False)
    """[kg]."""

    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    """The header's user parameters, by name."""

    xml: str = field(default="", repr=False)
    """The header as it was received."""

    fault: str = ""
    """Why nothing could be read from the header; empty when something could."""

    def depends(self, kind: str) -> list[str]:
        """Ids of the measurements of a type (in any case) that this one needs, in the header's order."""
        return [name for each, name in self.dependencies if name and each.strip().lower() == kind]

    def encoding(self, index: int = 0) -> Encoding:
        """The encoding space that a readout names.

        Raises DataError when the header does not have it.
        """
        if not self.encodings:
            raise DataError(self.fault or "the header has no encoding section")
        if index >= len(self.encodings):
            raise DataError(
                f"a readout names encoding space {index}, but the header has {len(self.encodings)} of them"
            )
        return self.encodings[index]
