"""The MRD headers as NumPy dtypes, and their flags; fields, offsets and units are those on the wire.

Source: ISMRMRD ``ismrmrd.h`` (version 1). The acquisition and the image header are packed to 2 bytes, the
waveform header has the natural alignment of C.
"""

import enum

import numpy as np

COUNTERS = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
"""The encoding counters in the order of the header; ``user`` (8 of them) follows."""

_IDX = np.dtype([(name, "<u2") for name in COUNTERS] + [("user", "<u2", 8)])

READOUT_HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", 3),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", 16),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", 3),
        ("read_dir", "<f4", 3),
        ("phase_dir", "<f4", 3),
        ("slice_dir", "<f4", 3),
        ("patient_table_position", "<f4", 3),
        ("idx", _IDX),
        ("user_int", "<i4", 8),
        ("user_float", "<f4", 8),
    ]
)
"""One readout: 340 bytes, packed. Positions [mm, LPS], sample time [us], time stamps [2.5 ms ticks]."""

IMAGE_HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("data_type", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("matrix_size", "<u2", 3),
        ("field_of_view", "<f4", 3),
        ("channels", "<u2"),
        ("position", "<f4", 3),
        ("read_dir", "<f4", 3),
        ("phase_dir", "<f4", 3),
        ("slice_dir", "<f4", 3),
        ("patient_table_position", "<f4", 3),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", 3),
        ("image_type", "<u2"),
        ("image_index", "<u2"),
        ("image_series_index", "<u2"),
        ("user_int", "<i4", 8),
        ("user_float", "<f4", 8),
        ("attribute_string_len", "<u4"),
    ]
)
"""One image: 198 bytes, packed. Matrix (x, y, z), field of view [mm]."""

WAVEFORM_HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("time_stamp", "<u4"),
        ("number_of_samples", "<u2"),
        ("channels", "<u2"),
        ("sample_time_us", "<f4"),
        ("waveform_id", "<u2"),
    ],
    align=True,
)
"""One stretch of a physiological waveform: 40 bytes with natural alignment."""


def _bit(number: int) -> int:
    return 1 << (number - 1)


class Flag(enum.IntFlag):
    """The flags of a readout; MRD counts its bits from 1."""

    FIRST_IN_ENCODE_STEP1 = _bit(1)
    LAST_IN_ENCODE_STEP1 = _bit(2)
    FIRST_IN_ENCODE_STEP2 = _bit(3)
    LAST_IN_ENCODE_STEP2 = _bit(4)
    FIRST_IN_AVERAGE = _bit(5)
    LAST_IN_AVERAGE = _bit(6)
    FIRST_IN_SLICE = _bit(7)
    LAST_IN_SLICE = _bit(8)
    FIRST_IN_CONTRAST = _bit(9)
    LAST_IN_CONTRAST = _bit(10)
    FIRST_IN_PHASE = _bit(11)
    LAST_IN_PHASE = _bit(12)
    FIRST_IN_REPETITION = _bit(13)
    LAST_IN_REPETITION = _bit(14)
    FIRST_IN_SET = _bit(15)
    LAST_IN_SET = _bit(16)
    FIRST_IN_SEGMENT = _bit(17)
    LAST_IN_SEGMENT = _bit(18)
    NOISE_MEASUREMENT = _bit(19)
    PARALLEL_CALIBRATION = _bit(20)
    PARALLEL_CALIBRATION_AND_IMAGING = _bit(21)
    REVERSE = _bit(22)
    NAVIGATION = _bit(23)
    PHASE_CORRECTION = _bit(24)
    LAST_IN_MEASUREMENT = _bit(25)
    HP_FEEDBACK = _bit(26)
    DUMMY_SCAN = _bit(27)
    RT_FEEDBACK = _bit(28)
    SURFACE_COIL_CORRECTION = _bit(29)
    PHASE_STABILIZATION_REFERENCE = _bit(30)
    PHASE_STABILIZATION = _bit(31)
    COMPRESSION_1 = _bit(53)
    COMPRESSION_2 = _bit(54)
    COMPRESSION_3 = _bit(55)
    COMPRESSION_4 = _bit(56)


LAST = {name: Flag[f"LAST_IN_{name.upper()}"] for name in ("slice", "contrast", "phase", "repetition", "set")}
"""The flag that ends each counter that can trigger a reconstruction."""

COMPRESSED = Flag.COMPRESSION_1 | Flag.COMPRESSION_2 | Flag.COMPRESSION_3 | Flag.COMPRESSION_4
"""Any of these: the samples are compressed (ZFP, NHLBI), with a length of their own."""


class ImageType(enum.IntEnum):
    """What the values of an image are (``image_type`` of its header)."""

    MAGNITUDE = 1
    PHASE = 2
    REAL = 3
    IMAG = 4
    COMPLEX = 5
    RGB = 6
