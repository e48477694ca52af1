"""Twix files made for tests: headers in Siemens' syntax, readouts with known samples."""

import struct

import numpy as np

YAPS = """### ASCCONV BEGIN ###
tProtocolName = "{name}"
sKSpace.lBaseResolution = 16
sKSpace.lPhaseEncodingLines = 12
sKSpace.ucTrajectory = 1
sSliceArray.lSize = 1
sSliceArray.asSlice[0].dThickness = 4.0
sSliceArray.asSlice[0].dPhaseFOV = 150.0
sSliceArray.asSlice[0].dReadoutFOV = 200.0
sPat.lAccelFactPE = 2
sPat.lAccelFact3D = 1
sPat.lRefLinesPE = 4
sPat.ucRefScanMode = 2
sFastImaging.lEPIFactor = {factor}
alTR[0] = 10000
alTE[0] = 3000
alTE[1] = 9000
lContrasts = 1
lAverages = 1
lRepetitions = 1
adFlipAngleDegree[0] = 15.0
sRXSPEC.alDwellTime[0] = 5000
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].lElementSelected = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].lADCChannelConnected = 7
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tCoilID = "Spine"
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.lCoilCopy = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tElement = "S1"
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].lElementSelected = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].lADCChannelConnected = 3
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].sCoilElementID.tCoilID = "Spine"
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].sCoilElementID.lCoilCopy = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].sCoilElementID.tElement = "S2"
### ASCCONV END ###
"""

NUMBERS = {
    "iNoOfFourierColumns": "32",
    "iPEFTLength": "12",
    "i3DFTLength": "1",
    "iNoOfFourierLines": "9",
    "ImageColumns": "16",
    "ImageLines": "12",
    "MeasUID": "42",
    "ReconMeasDependencies": "0 0 41",
    "alRegridRampupTime": "160 0",
    "alRegridRampdownTime": "150 0",
    "alRegridFlattopTime": "240 0",
    "alRegridDelaySamplesTime": "30 0",
    "alRegridDestSamples": "32 0",
    "lEchoSpacing": "560",
}


def buffers(name="tse", factor=1):
    """The protocol, as bytes."""
    numbers = "\n".join(f'<ParamLong."{key}"> {{ {value} }}' for key, value in NUMBERS.items())
    texts = '<ParamString."tPatientPosition"> { "FFS" }\n<ParamDouble."flReadoutOSFactor"> { 2.0 }'
    system = (
        '<ParamString."SoftwareVersions"> { "syngo MR E11" }\n<ParamString."DeviceSerialNumber"> { "12" }'
        '\n<ParamDouble."flMagneticFieldStrength"> { 1.5 }\n<ParamLong."EchoTrainLength"> { 12 }'
    )
    parts = {"MeasYaps": YAPS.format(name=name, factor=factor), "Meas": numbers + texts, "Dicom": system}
    body = b"".join(
        key.encode() + b"\0" + struct.pack("<I", len(text)) + text.encode() for key, text in parts.items()
    )
    size = -(-(8 + len(body)) // 32) * 32
    return struct.pack("<II", size, len(parts)) + body + bytes(size - 8 - len(body))


def readout(flags=(), samples=32, coils=2, value=0.0, **counters):
    """A readout of random samples, with the loop counters given."""
    from twixtools.mdb import Mdb_local

    random = np.random.default_rng(int(value * 100) + len(flags))
    data = random.standard_normal((coils, 2 * samples)).astype(np.float32).view(np.complex64)
    made = Mdb_local(data)
    for flag in ("ONLINE", *flags):
        made.add_flag(flag)
    for name, count in counters.items():
        setattr(made.mdh.Counter, name, count)
    made.mdh.CenterCol, made.mdh.CenterLin = samples // 2, 3
    made.mdh.TimeStamp, made.mdh.PMUTimeStamp, made.mdh.MeasUID = 1000, 50, 42
    half = 0.5**0.5
    made.mdh.SliceData.Quaternion[:] = [half, 0, 0, half]
    made.mdh.SliceData.SlicePos.Sag, made.mdh.SliceData.SlicePos.Tra = 1.0, -3.0
    return made


def write(path, *measurements, **protocol):
    """A file of measurements, each a list of readouts."""
    import twixtools

    header = np.frombuffer(buffers(**protocol), "S1")
    twixtools.write_twix([{"hdr_str": header, "mdb": list(lines)} for lines in measurements], str(path))
    return path
