"""``scanside convert``: k-space of other programs as ISMRMRD; files as streams, and back."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import at_least_1
from server.commands.foreign import dicom, fastmri, twix, write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gadgets.data import Readouts
    from models.simulation.scan import Protocol
    from server.spool.stream import Spooled

CORNER = 10
"""The corners of k-space that serve as noise are this part of each axis."""


ISMRMRD = (".h5", ".hdf5")
TWIX = ".dat"
DICOM = (".dcm", ".ima")
"""How the names of files end."""


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("convert", help="turn k-space of other programs into ISMRMRD, files into streams")
    own.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="Siemens twix .dat, fastMRI .h5, DICOM .dcm or folder, BART .cfl, NumPy .npy, ISMRMRD .h5, spool"
        " entry, .mrd (a stream of a scan or of images)",
    )
    own.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="OUT.h5: ISMRMRD HDF5 file; OUT.mrd: a stream",
    )
    own.add_argument("--group", default="dataset", help="HDF5 group of the scan (%(default)s)")
    own.add_argument(
        "--measurement", type=at_least_1, metavar="N", help="of a twix file that has several (the last)"
    )
    axes = own.add_argument_group(
        "axes",
        "indices from 0; by default BART's (readout 0, or 2 where axis 0 is singleton; phase 1; coil 3)"
        " for .cfl, coil 0, phase 1, readout 2 for .npy",
    )
    for name in ("readout", "phase", "coil", "slice"):
        axes.add_argument(f"--{name}-axis", type=int, metavar="AXIS")
    own.add_argument("--pixel", type=float, default=1.0, metavar="MM", help="side of a pixel (%(default)s)")
    own.add_argument("--oversampling", type=int, default=1, choices=(1, 2), help="that the readouts have")
    own.add_argument(
        "--acceleration", type=int, default=1, metavar="R", help="keep lines with (y - Y/2) mod R = 0"
    )
    own.add_argument(
        "--reference-lines", type=int, default=24, metavar="N", help="and N central ones (%(default)s)"
    )
    own.add_argument(
        "--noise", default="none", choices=("none", "corners"), help="corners of k-space as noise readouts"
    )
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert by what the input is; 1 when it tells an error or breaks off."""
    from server import paths
    from server.files.fastmri import holds_collection
    from server.files.opened import readable
    from server.files.stream import SUFFIX
    from server.settings import SettingsError
    from server.spool.index import find

    if options.output.exists() and options.output.resolve() == options.input.resolve():
        raise SettingsError(f"-o {options.output} would replace what is converted")
    if (source := find(options.input, paths.spool())) is not None:
        return _from_stream(options, source)
    if options.input.suffix.lower() == SUFFIX:
        readable(options.input)
    kind = options.input.suffix.lower()
    if kind == TWIX:
        return twix(options)
    if kind in DICOM or options.input.is_dir():
        return dicom(options)
    if kind in ISMRMRD and options.input.exists() and holds_collection(options.input):
        return fastmri(options)
    return _to_stream(options) if options.input.suffix.lower() in ISMRMRD else _arrange(options)


def _to_stream(options: argparse.Namespace) -> int:
    from server.files.scan import read_scan
    from server.files.stream import SUFFIX, write_stream
    from server.settings import SettingsError

    if options.output.suffix.lower() != SUFFIX:
        raise SettingsError(f"{options.input} is ISMRMRD already; for a stream of it give -o OUT{SUFFIX}")
    scan = read_scan(options.input, options.group)
    count = write_stream(options.output, scan.xml, scan.runs())
    print(f"{options.output}: {count} readouts, {scan.waveforms} waveforms")
    return 0


def _from_stream(options: argparse.Namespace, source: "Spooled") -> int:
    """A scan as a file, or a stream as it is; or the images that a chain answered with."""
    from server.commands.spool import exported
    from server.files.opened import writable
    from server.files.stream import SUFFIX, holds_scan, read_stream

    if options.output.suffix.lower() == SUFFIX:
        with writable(options.output).open("wb") as file:
            file.writelines(source.pieces())
        print(f"{options.output}: {options.output.stat().st_size} bytes")
        return 0
    if holds_scan(read_stream(source.path)):
        return exported(source, options.output)
    return _images(options, source.path)


def _images(options: argparse.Namespace, stream: Path) -> int:
    from server.files.kept import Kept
    from server.files.stream import answered, read_stream

    found = answered(read_stream(stream))
    with Kept(options.output) as kept:
        for image in found.images:
            kept.image(image)
    for text in found.texts:
        print(f"scanside: {options.input} says: {text}", file=sys.stderr)
    if not found.closed:
        print(f"scanside: {options.input} ends without CLOSE: images may be missing", file=sys.stderr)
    if found.images:
        print(f"{options.output}: {len(found.images)} images")
    else:
        print(f"scanside: {options.input} holds no image", file=sys.stderr)
    return 1 if found.failed or not found.images else 0


def _arrange(options: argparse.Namespace) -> int:
    from models.simulation.sampling import plan
    from server.acquisition import describe
    from server.files.arrays import arrange, read_array
    from server.files.header import write_header

    values = read_array(options.input)
    kspace = arrange(values, *_axes(options, values.shape))
    protocol = _protocol(options, kspace)
    lines = _acquired(kspace, plan(protocol.sampling))
    header = write_header(describe(protocol, options.input.stem))
    count = write(options.output, header, _runs(options, protocol, kspace, lines))
    slices, coils, rows, columns = kspace.shape
    size = f"{slices} slices, {coils} coils, {rows} lines x {columns} samples"
    print(f"{options.output}: {count} readouts; {size}")
    return 0


def _axes(options: argparse.Namespace, shape: tuple[int, ...]) -> tuple[int, int, int, int | None]:
    """Readout, phase, coil and slice axis: as asked for, else by the format."""
    if options.input.suffix.lower() == ".npy":
        default = {"readout": 2, "phase": 1, "coil": 0}
    else:
        default = {"readout": 2 if shape[0] == 1 else 0, "phase": 1, "coil": 3}
    given = {name: getattr(options, f"{name}_axis") for name in ("readout", "phase", "coil")}
    chosen = {name: default[name] if axis is None else axis for name, axis in given.items()}
    return chosen["readout"], chosen["phase"], chosen["coil"], options.slice_axis


def _protocol(options: argparse.Namespace, kspace: "NDArray[np.complex64]") -> "Protocol":
    from models.simulation.sampling import Sampling
    from models.simulation.scan import Protocol

    slices, coils, lines, samples = kspace.shape
    return Protocol(
        sampling=Sampling(
            lines=lines,
            slices=slices,
            acceleration=options.acceleration,
            reference_lines=min(options.reference_lines, lines),
        ),
        columns=samples // options.oversampling,
        coils=coils,
        pixel=options.pixel / 1000,
        oversampling=options.oversampling,
        noise_readouts=0,
    )


def _runs(
    options: argparse.Namespace,
    protocol: "Protocol",
    kspace: "NDArray[np.complex64]",
    lines: "NDArray[Any]",
) -> "Iterator[Readouts]":
    from gadgets.data import Readouts
    from server.acquisition import heads

    head = heads(protocol, lines)
    if options.noise == "corners":
        noise = _corners(kspace)
        yield Readouts(head=_noise_heads(head[:1], noise), data=noise)
        head["scan_counter"] += len(noise)
    yield Readouts(head=head, data=kspace[lines["slice"], :, lines["k1"]])


def _corners(kspace: "NDArray[np.complex64]") -> "NDArray[np.complex64]":
    """The outermost samples as readouts, [readout, coil, sample]."""
    import numpy as np

    height, width = (max(size // CORNER, 1) for size in kspace.shape[-2:])
    outer = np.concatenate([kspace[..., :height, :], kspace[..., -height:, :]], -2)
    both = np.concatenate([outer[..., :width], outer[..., -width:]], -1)
    return np.ascontiguousarray(both.transpose(0, 2, 1, 3).reshape(-1, kspace.shape[1], 2 * width))


def _noise_heads(head: "NDArray[Any]", noise: "NDArray[np.complex64]") -> "NDArray[Any]":
    import numpy as np

    from gadgets.head import Flag

    made = np.repeat(head, len(noise))
    made["flags"] = Flag.NOISE_MEASUREMENT
    made["idx"] = np.zeros((), made["idx"].dtype)
    made["scan_counter"] = np.arange(len(noise))
    made["number_of_samples"], made["center_sample"] = noise.shape[-1], noise.shape[-1] // 2
    return made


def _acquired(kspace: "NDArray[np.complex64]", lines: "NDArray[Any]") -> "NDArray[Any]":
    """The planned lines that the array holds: those of zeros were not acquired; holes are worth a word."""
    empty = (kspace == 0).all(1)
    holes = int((empty.any(-1) & ~empty.all(-1)).sum())
    if holes:
        print(f"scanside: {holes} readouts hold samples that are 0 in every coil", file=sys.stderr)
    blank = empty.all(-1)[lines["slice"], lines["k1"]]
    if blank.any():
        print(f"scanside: {int(blank.sum())} lines are 0 throughout and left out", file=sys.stderr)
    held: NDArray[Any] = lines[~blank]
    return held
