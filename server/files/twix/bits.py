"""Bits of a twix readout's mask, and the MRD flags that they become, as by ``siemens_to_ismrmrd``."""

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.head import Flag


class Bit(enum.IntFlag):
    """What a readout is (the bits that matter here)."""

    ACQEND = 1 << 0
    RTFEEDBACK = 1 << 1
    HPFEEDBACK = 1 << 2
    SYNCDATA = 1 << 5
    RAWDATACORRECTION = 1 << 10
    LASTSCANINMEAS = 1 << 11
    REFPHASESTABSCAN = 1 << 14
    PHASESTABSCAN = 1 << 15
    PHASCOR = 1 << 21
    PATREFSCAN = 1 << 22
    PATREFANDIMASCAN = 1 << 23
    REFLECT = 1 << 24
    NOISEADJSCAN = 1 << 25
    FIRSTSCANINSLICE = 1 << 28
    LASTSCANINSLICE = 1 << 29
    SLICE_ACCEL_REFSCAN = 1 << 38
    RETRO_ENDOFMEAS = 1 << 46
    RETRO_DUMMYSCAN = 1 << 51


FLAGS = {
    Bit.NOISEADJSCAN: Flag.NOISE_MEASUREMENT,
    Bit.FIRSTSCANINSLICE: Flag.FIRST_IN_SLICE,
    Bit.LASTSCANINSLICE: Flag.LAST_IN_SLICE,
    Bit.LASTSCANINMEAS: Flag.LAST_IN_REPETITION | Flag.LAST_IN_MEASUREMENT,
    Bit.RETRO_ENDOFMEAS: Flag.LAST_IN_MEASUREMENT,
    Bit.PATREFANDIMASCAN: Flag.PARALLEL_CALIBRATION_AND_IMAGING,
    Bit.REFLECT: Flag.REVERSE,
    Bit.PHASCOR: Flag.PHASE_CORRECTION,
    Bit.RTFEEDBACK: Flag.NAVIGATION | Flag.RT_FEEDBACK,
    Bit.HPFEEDBACK: Flag.HP_FEEDBACK,
    Bit.RAWDATACORRECTION: Flag.SURFACE_COIL_CORRECTION,
    Bit.RETRO_DUMMYSCAN: Flag.DUMMY_SCAN,
    Bit.REFPHASESTABSCAN: Flag.PHASE_STABILIZATION_REFERENCE,
    Bit.PHASESTABSCAN: Flag.PHASE_STABILIZATION,
}

ASIDE = (
    Bit.NOISEADJSCAN
    | Bit.PHASCOR
    | Bit.RTFEEDBACK
    | Bit.HPFEEDBACK
    | Bit.RETRO_DUMMYSCAN
    | Bit.RAWDATACORRECTION
    | Bit.REFPHASESTABSCAN
    | Bit.PHASESTABSCAN
)
"""Readouts that belong to no image."""


def flags(masks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The MRD flags of each readout; a line that also images is no mere calibration line."""
    found = np.zeros(len(masks), np.uint64)
    for bit, flag in FLAGS.items():
        found[has(masks, bit)] |= np.uint64(int(flag))
    alone = has(masks, Bit.PATREFSCAN) & ~has(masks, Bit.PATREFANDIMASCAN)
    found[alone] |= np.uint64(int(Flag.PARALLEL_CALIBRATION))
    return found


def has(masks: NDArray[np.uint64], bit: Bit) -> NDArray[np.bool_]:
    """Which readouts have any of these bits."""
    which: NDArray[Any] = (masks & np.uint64(int(bit))) != 0
    return which
