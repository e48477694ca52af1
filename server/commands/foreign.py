"""``scanside convert`` for raw data of scanners and of public collections."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gadgets.data import Heads, Readouts
    from server.files.twix.measurement import Measurement


def twix(options: argparse.Namespace) -> int:
    """A measurement of a Siemens file."""
    from server.files.header import write_header
    from server.files.twix.measurement import read_measurement
    from server.files.twix.protocol import describe
    from server.files.twix.readouts import heads, runs

    measurement = read_measurement(options.input, options.measurement)
    head = heads(measurement)
    _remark(options.input, _doubts(measurement, head))
    count = write(options.output, write_header(describe(measurement, head)), runs(measurement, head))
    of = f"measurement {measurement.number} of {measurement.of}"
    print(f"{options.output}: {count} readouts; {of}")
    return 0 if measurement.complete else 1


def fastmri(options: argparse.Namespace) -> int:
    """A volume of the fastMRI collection."""
    from server.files.fastmri import read_collection

    volume = read_collection(options.input)
    _remark(options.input, volume.doubts)
    count = write(options.output, volume.xml, volume.runs())
    slices, coils, samples, lines = volume.shape
    size = f"{slices} slices, {coils} coils, {lines} lines x {samples} samples"
    print(f"{options.output}: {count} readouts; {size}")
    return 0


def dicom(options: argparse.Namespace) -> int:
    """A DICOM file, or a folder of them."""
    from server.files.kept import Kept
    from server.files.series import read_series

    count = 0
    with Kept(options.output) as kept:
        for image in read_series(options.input):
            kept.image(image)
            count += 1
    print(f"{options.output}: {count} images")
    return 0


def write(path: Path, header: str, readouts: "Iterator[Readouts]") -> int:
    """Write a scan as the name of its file asks; the number of its readouts."""
    from server.files.scan import write_scan
    from server.files.stream import SUFFIX, write_stream

    return (write_stream if path.suffix.lower() == SUFFIX else write_scan)(path, header, readouts)


def _remark(source: Path, doubts: list[str]) -> None:
    for doubt in doubts:
        print(f"scanside: {source}: {doubt}", file=sys.stderr)


def _doubts(measurement: "Measurement", head: "Heads") -> list[str]:
    """What the file does not say, or what is not taken over."""
    from gadgets.head import Flag
    from server.files.twix.bits import Bit
    from server.files.twix.protocol import dwell

    doubts = []
    if not measurement.complete:
        doubts.append("ends without its end mark: readouts are missing")
    if measurement.of > 1:
        doubts.append(f"has {measurement.of} measurements; --measurement N takes another one")
    if measurement.physiology:
        doubts.append(f"{measurement.physiology} blocks of physiological signals are left out")
    if (head["flags"] & int(Flag.NOISE_MEASUREMENT)).any():
        doubts.append("does not say the sample time of its noise readouts; Siemens' usual one is taken")
    if not dwell(measurement):
        doubts.append("does not say the sample time of its readouts")
    multiband = sum(bool(int(each.mdh.EvalInfoMask) & Bit.SLICE_ACCEL_REFSCAN) for each in measurement.lines)
    if multiband:
        doubts.append(f"{multiband} reference readouts of several slices at once are taken as imaging lines")
    return doubts
