"""The readouts of a twix measurement with MRD headers."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads, Readouts
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD
from server.acquisition import channel_mask
from server.files.twix.bits import Bit, flags, has
from server.files.twix.measurement import Measurement
from server.files.twix.protocol import dwell, noise_dwell

BATCH = 256
"""How many readouts are in memory at once, at most."""

COUNTERS = {
    "kspace_encode_step_1": "Lin",
    "kspace_encode_step_2": "Par",
    "average": "Ave",
    "slice": "Sli",
    "contrast": "Eco",
    "phase": "Phs",
    "repetition": "Rep",
    "set": "Set",
    "segment": "Seg",
}
"""MRD's counters by Siemens' loop counters."""


def heads(measurement: Measurement) -> Heads:
    """The MRD header of each readout, [readout]: places, times, flags and geometry as the scanner gave them.

    Directions are the columns of the rotation by the slice's quaternion (W, X, Y, Z): phase, read, slice.
    """
    lines = [each.mdh for each in measurement.lines]
    head = np.zeros(len(lines), READOUT_HEAD)
    head["version"] = 1
    _copy(head, lines)
    masks = np.array([each.EvalInfoMask for each in lines], np.uint64)
    head["flags"] = flags(masks)
    channels = head["active_channels"]
    head["available_channels"] = channels.max(initial=0)
    for number in np.unique(channels):
        head["channel_mask"][channels == number] = channel_mask(int(number))
    head["sample_time_us"] = 1e6 * dwell(measurement)
    for row in np.flatnonzero(has(masks, Bit.NOISEADJSCAN)):
        head["sample_time_us"][row] = 1e6 * noise_dwell(measurement, int(head["number_of_samples"][row]))
    return head


def _copy(head: Heads, lines: list[Any]) -> None:
    for row, mdh in zip(head, lines, strict=True):
        row["measurement_uid"], row["scan_counter"] = mdh.MeasUID, mdh.ScanCounter
        row["acquisition_time_stamp"] = mdh.TimeStamp
        row["physiology_time_stamp"][0] = mdh.PMUTimeStamp
        row["number_of_samples"], row["active_channels"] = mdh.SamplesInScan, mdh.UsedChannels
        row["discard_pre"], row["discard_post"] = mdh.CutOff.Pre, mdh.CutOff.Post
        row["center_sample"] = mdh.CenterCol
        for ours, theirs in COUNTERS.items():
            row["idx"][ours] = getattr(mdh.Counter, theirs)
        row["idx"]["user"][:5] = [getattr(mdh.Counter, f"Id{letter}") for letter in "abcde"]
        row["idx"]["user"][5:7] = mdh.CenterLin, mdh.CenterPar
        position = mdh.SliceData.SlicePos
        row["position"] = position.Sag, position.Cor, position.Tra
        turn = directions(np.asarray(mdh.SliceData.Quaternion, np.float64))
        row["phase_dir"], row["read_dir"], row["slice_dir"] = turn
        _copy_free(row, mdh)


def _copy_free(row: Any, mdh: Any) -> None:  # noqa: ANN401 - a record and a ctypes structure
    """Table position and the sequence's free parameters; VB has fewer of them."""
    row["patient_table_position"] = [getattr(mdh, f"PTABPos{axis}", 0) for axis in "XYZ"]
    free = np.asarray(mdh.IceProgramPara).astype(np.int64)
    row["user_int"][: min(7, len(free))] = free[:7]
    row["user_int"][7] = np.int64(mdh.TimeSinceLastRF).astype(np.int32)
    row["user_float"][: len(free[8:16])] = free[8:16]


def directions(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of the rotation by a quaternion (w, x, y, z), as rows."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
            [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
            [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def runs(measurement: Measurement, head: Heads) -> Iterator[Readouts]:
    """The readouts in the order of acquisition, at most ``BATCH`` of equal shape at a time.

    Raises DataError where the file ends within a readout.
    """
    shapes = list(zip(head["active_channels"].tolist(), head["number_of_samples"].tolist(), strict=True))
    for _, group in groupby(range(len(head)), key=lambda row: shapes[row]):
        rows = list(group)
        for start in range(0, len(rows), BATCH):
            part = slice(rows[start], rows[min(start + BATCH, len(rows)) - 1] + 1)
            yield Readouts(
                head=head[part], data=np.stack([_samples(each) for each in measurement.lines[part]])
            )


def _samples(line: Any) -> NDArray[np.complex64]:  # noqa: ANN401 - twixtools' Mdb
    try:
        return np.asarray(line.data, np.complex64)
    except ValueError as error:
        raise DataError(f"readout {line.mdh.ScanCounter} is cut short: {error}") from None
