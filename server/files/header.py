"""The MRD header as XML, written from a Scan: SI units become mm, ms and degrees."""

import math
from collections.abc import Mapping
from typing import Any

from gadgets.scan import PROTON, Encoding, Limit, Scan, Space


def write_header(scan: Scan, patient: str = "") -> str:
    """The XML of a scan's header, in the order of sections that ISMRMRD's schema asks for.

    With the identifier of an invented ``patient`` it has what archives ask for: a study of that patient's.
    """
    from ismrmrd import xsd

    header = xsd.ismrmrdHeader(
        version=1,
        subjectInformation=xsd.subjectInformationType(patientID=patient) if patient else None,
        studyInformation=_study(patient) if patient else None,
        measurementInformation=xsd.measurementInformationType(
            measurementID=scan.measurement_id or None,
            patientPosition=xsd.patientPositionType(scan.patient_position or "HFS"),
            protocolName=scan.protocol or None,
            measurementDependency=[
                xsd.measurementDependencyType(dependencyType=kind, measurementID=name)
                for kind, name in scan.dependencies
            ],
        ),
        acquisitionSystemInformation=_system(scan),
        experimentalConditions=xsd.experimentalConditionsType(
            H1resonanceFrequency_Hz=round(scan.resonance or PROTON * (scan.field_strength or 0))
        ),
        encoding=[_encoding(each) for each in scan.encodings],
        sequenceParameters=_sequence(scan),
        userParameters=_parameters(scan.parameters),
    )
    return str(xsd.ToXML(header))


def _study(patient: str) -> Any:  # noqa: ANN401 - ismrmrd's generated classes
    """The same for the same patient."""
    from ismrmrd import xsd

    from server.dicom.uids import uid

    name = uid("simulated study", patient)
    return xsd.studyInformationType(accessionNumber=int(name[-8:]), studyInstanceUID=name)


def _system(scan: Scan) -> Any:  # noqa: ANN401 - ismrmrd's generated classes
    from ismrmrd import xsd

    return xsd.acquisitionSystemInformationType(
        systemFieldStrength_T=scan.field_strength,
        relativeReceiverNoiseBandwidth=scan.noise_bandwidth,
        receiverChannels=len(scan.coil_labels) or None,
        coilLabel=[
            xsd.coilLabelType(coilNumber=number, coilName=name)
            for number, name in enumerate(scan.coil_labels)
        ],
    )


def _encoding(each: Encoding) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    names = {name: name.replace("encode", "encoding") for name in each.limits}
    return xsd.encodingType(
        encodedSpace=_space(each.encoded),
        reconSpace=_space(each.recon),
        encodingLimits=xsd.encodingLimitsType(
            **{names[name]: _limit(limit) for name, limit in each.limits.items()}
        ),
        trajectory=xsd.trajectoryType(each.trajectory),
        trajectoryDescription=_description(each),
        parallelImaging=_parallel(each),
        echoTrainLength=each.echo_train_length,
    )


def _description(each: Encoding) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    if not each.description:
        return None
    return xsd.trajectoryDescriptionType(identifier=each.description, **_by_kind(each.trajectory_parameters))


def _parallel(each: Encoding) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    if each.acceleration == (1, 1):
        return None
    along1, along2 = each.acceleration
    shift = each.interleaving
    return xsd.parallelImagingType(
        accelerationFactor=xsd.accelerationFactorType(
            kspace_encoding_step_1=along1, kspace_encoding_step_2=along2
        ),
        calibrationMode=xsd.calibrationModeType(each.calibration),
        interleavingDimension=xsd.interleavingDimensionType(shift) if shift else None,
    )


def _space(space: Space) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    x, y, z = (1000 * side for side in space.fov)
    columns, lines, partitions = space.matrix
    return xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=columns, y=lines, z=partitions),
        fieldOfView_mm=xsd.fieldOfViewMm(x=x, y=y, z=z),
    )


def _limit(limit: Limit) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    return xsd.limitType(minimum=limit.minimum, maximum=limit.maximum, center=limit.center)


def _sequence(scan: Scan) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    times = scan.sequence
    return xsd.sequenceParametersType(
        TR=[1000 * each for each in times.repetition_time],
        TE=[1000 * each for each in times.echo_time],
        TI=[1000 * each for each in times.inversion_time],
        flipAngle_deg=[math.degrees(each) for each in times.flip_angle],
    )


def _parameters(values: Mapping[str, float | int | str]) -> Any:  # noqa: ANN401
    from ismrmrd import xsd

    return xsd.userParametersType(**_by_kind(values)) if values else None


def _by_kind(values: Mapping[str, float | int | str]) -> dict[str, list[Any]]:
    """The lists of user parameters that a section of the header has."""
    from ismrmrd import xsd

    def of(kind: type, section: type) -> list[Any]:
        return [section(name=name, value=value) for name, value in values.items() if type(value) is kind]

    return {
        "userParameterLong": of(int, xsd.userParameterLongType),
        "userParameterDouble": of(float, xsd.userParameterDoubleType),
        "userParameterString": of(str, xsd.userParameterStringType),
    }
