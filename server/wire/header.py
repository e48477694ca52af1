"""The measurement's XML header as a Scan: lenient towards what scanners write, in SI units."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

from gadgets.head import COUNTERS
from gadgets.scan import Encoding, Limit, Scan, Sequence, Space
from server.wire.xml import Malformed, checked

SPECIMEN = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<subjectInformation/><studyInformation/><measurementInformation><measurementDependency/></measurementInformation>
<acquisitionSystemInformation><coilLabel/></acquisitionSystemInformation><experimentalConditions/>
<encoding><encodedSpace><matrixSize><x>1</x></matrixSize><fieldOfView_mm><x>1</x></fieldOfView_mm></encodedSpace>
<reconSpace/><encodingLimits><slice><minimum>0</minimum></slice></encodingLimits>
<trajectory>cartesian</trajectory><parallelImaging><accelerationFactor/></parallelImaging></encoding>
<sequenceParameters><TR>1</TR></sequenceParameters>
<userParameters><userParameterLong/><userParameterDouble/></userParameters></ismrmrdHeader>"""
"""Every section that is read, with nothing in it."""

LIMITS = {"kspace_encoding_step_0": "kspace_encode_step_0"} | {
    name.replace("encode", "encoding"): name for name in COUNTERS
}
"""The header's names of the counters, by ours (which are those of a readout's header)."""

LEAST_RESONANCE = 1e5
"""A scanner for protons of less than 2.3 mT there is not [Hz]."""


def read_header(xml: str) -> Scan:
    """The header as a Scan; what it lacks, or what cannot be understood, keeps its default.

    Text that is no XML at all (``Dummy XML header``) gives an empty Scan with its ``fault``: the gadget that
    needs a section says so. Raises ProtocolError for a DOCTYPE, and above the limits of size and depth.
    """
    if not xml.lstrip("\ufeff \t\r\n").startswith("<"):
        return Scan(xml=xml, fault="the header is no XML")
    try:
        return _scan(sections(xml), xml)
    except Malformed as error:
        return Scan(xml=xml, fault=f"the header is {error}")


def load() -> None:
    """Read a header now, so that its classes are loaded and described before the first scan."""
    read_header(SPECIMEN)


def sections(xml: str) -> Any:  # noqa: ANN401 - ismrmrd's generated classes
    """The header's sections as ismrmrd's classes; None stands for what is not there.

    Raises Malformed for what is no header, ProtocolError as ``read_header``.
    """
    from ismrmrd.xsd import ismrmrdHeader
    from xsdata.exceptions import ParserError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parser().from_string(checked(xml), ismrmrdHeader)
    except (ParserError, TypeError, ValueError) as error:
        raise Malformed(f"no ISMRMRD header: {error}") from None


@cache
def _parser() -> Any:  # noqa: ANN401 - xsdata's
    """A parser that passes over what it does not know; it keeps what it learned of the header's classes."""
    from xsdata.formats.dataclass.parsers import XmlParser
    from xsdata.formats.dataclass.parsers.config import ParserConfig

    return XmlParser(
        config=ParserConfig(
            fail_on_unknown_properties=False,
            fail_on_unknown_attributes=False,
            fail_on_converter_warnings=False,
            class_factory=_made,
        )
    )


def _made(kind: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401
    """A section, with None for what the schema requires but the header lacks."""
    missing = {
        each.name: None
        for each in fields(kind)
        if each.name not in values and each.default is MISSING and each.default_factory is MISSING
    }
    return kind(**missing, **values)


def _scan(header: Any, xml: str) -> Scan:  # noqa: ANN401
    system = header.acquisitionSystemInformation
    measurement = header.measurementInformation
    return Scan(
        encodings=tuple(_encoding(each) for each in header.encoding or ()),
        sequence=_sequence(header.sequenceParameters),
        noise_bandwidth=_number(_get(system, "relativeReceiverNoiseBandwidth")),
        coil_labels=_labels(_get(system, "coilLabel") or ()),
        field_strength=_number(_get(system, "systemFieldStrength_T")),
        resonance=_resonance(_get(header.experimentalConditions, "H1resonanceFrequency_Hz")),
        patient_position=_text(_get(measurement, "patientPosition")),
        protocol=_text(_get(measurement, "protocolName")),
        measurement_id=_text(_get(measurement, "measurementID")),
        patient_id=_text(_get(header.subjectInformation, "patientID")),
        patient_height=_number(_get(header.subjectInformation, "patientHeight_m")),
        patient_weight=_number(_get(header.subjectInformation, "patientWeight_kg")),
        device=_text(_get(system, "deviceSerialNumber")) or _text(_get(system, "deviceID")),
        dependencies=tuple(
            (_text(each.dependencyType), _text(each.measurementID))
            for each in _get(measurement, "measurementDependency") or ()
        ),
        parameters=_parameters(header.userParameters),
        xml=xml,
    )


def _resonance(value: object) -> float | None:
    """[Hz]; the schema asks for one, and who knows none writes 0 or another small number."""
    found = _number(value)
    return found if found is not None and found >= LEAST_RESONANCE else None


def _encoding(each: Any) -> Encoding:  # noqa: ANN401
    parallel = each.parallelImaging
    factors = _get(parallel, "accelerationFactor")
    return Encoding(
        encoded=_space(each.encodedSpace),
        recon=_space(each.reconSpace or each.encodedSpace),
        limits=_limits(each.encodingLimits),
        trajectory=_text(each.trajectory) or "cartesian",
        description=_text(_get(each.trajectoryDescription, "identifier")),
        trajectory_parameters=_parameters(each.trajectoryDescription),
        acceleration=(
            _whole(_get(factors, "kspace_encoding_step_1"), 1),
            _whole(_get(factors, "kspace_encoding_step_2"), 1),
        ),
        calibration=_text(_get(parallel, "calibrationMode")) or "noacceleration",
        interleaving=_text(_get(parallel, "interleavingDimension")) or None,
        multiband=_multiband(_get(parallel, "multiband")),
        echo_train_length=_get(each, "echoTrainLength"),
    )


def _multiband(section: Any) -> int:  # noqa: ANN401
    return _whole(_get(section, "multiband_factor"), 1) if section is not None else 1


def _space(space: Any) -> Space:  # noqa: ANN401
    matrix, fov = _get(space, "matrixSize"), _get(space, "fieldOfView_mm")
    return Space(
        matrix=(_whole(_get(matrix, "x"), 1), _whole(_get(matrix, "y"), 1), _whole(_get(matrix, "z"), 1)),
        fov=(_metre(_get(fov, "x")), _metre(_get(fov, "y")), _metre(_get(fov, "z"))),
    )


def _limits(section: Any) -> dict[str, Limit]:  # noqa: ANN401
    found = {}
    for theirs, ours in LIMITS.items():
        limit = _get(section, theirs)
        if limit is not None:
            found[ours] = Limit(
                minimum=_whole(limit.minimum, 0),
                maximum=_whole(limit.maximum, 0),
                center=_whole(limit.center, 0),
            )
    return found


def _sequence(section: Any) -> Sequence:  # noqa: ANN401
    def seconds(name: str) -> tuple[float, ...]:
        return tuple(_numbers(_get(section, name) or (), 1e-3))

    return Sequence(
        repetition_time=seconds("TR"),
        echo_time=seconds("TE"),
        inversion_time=seconds("TI"),
        flip_angle=tuple(_numbers(_get(section, "flipAngle_deg") or (), math.pi / 180)),
    )


def _labels(coils: Iterable[Any]) -> tuple[str, ...]:
    """In the order of the channels: that of the list, unless the numbers are the channels' indices.

    Siemens numbers receivers: 22, 21, 34, ... name the channels 0, 1, 2, ... of the data.
    """
    listed = list(coils)
    numbers = [_whole(coil.coilNumber, -1) for coil in listed]
    if sorted(numbers) == list(range(len(listed))):
        listed = [listed[numbers.index(channel)] for channel in range(len(listed))]
    return tuple(_text(coil.coilName) for coil in listed)


def _parameters(section: Any) -> dict[str, float | int | str]:  # noqa: ANN401
    found: dict[str, float | int | str] = {}
    for kind in ("userParameterLong", "userParameterDouble", "userParameterString"):
        for each in _get(section, kind) or ():
            if each.name is not None and isinstance(each.value, (int, float, str)):
                found[each.name] = each.value
    return found


def _get(section: Any, name: str) -> Any:  # noqa: ANN401
    return getattr(section, name, None)


def _number(value: object) -> float | None:
    """A finite number that is not negative; scanners write ``NaN`` and texts where they know none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _numbers(values: Iterable[object], factor: float) -> Iterable[float]:
    return (number * factor for value in values if (number := _number(value)) is not None)


def _whole(value: object, default: int) -> int:
    number = _number(value)
    return default if number is None else int(number)


def _metre(value: object) -> float:
    return (_number(value) or 0.0) * 1e-3


def _text(value: object) -> str:
    """Enumerations give their value; what is not there gives an empty text."""
    return "" if value is None else str(getattr(value, "value", value))
