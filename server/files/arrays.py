"""k-space arrays of other programs: BART's .cfl and NumPy's .npy."""

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadgets.errors import DataError
from server.files.opened import readable


def read_array(path: Path) -> NDArray[np.complex64]:
    """The array of a file, by its suffix; axes as the program that wrote it counts them.

    Raises DataError for a suffix that is not known, for a file that cannot be read, or where the size is not
    what the file's header says.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is of no known format; known are {', '.join(sorted(READERS))}")
    return reader(path)


def read_cfl(path: Path) -> NDArray[np.complex64]:
    """The array of a .cfl and .hdr pair, first axis fastest in memory, trailing axes of size 1 left out."""
    samples, header = readable(path.with_suffix(".cfl")), readable(path.with_suffix(".hdr"))
    lines = header.read_text(errors="replace").splitlines()
    words = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    try:
        shape = [int(word) for word in words.split()]
    except ValueError:
        raise DataError(f"{header} has the sizes {words!r}, expected integers") from None
    values = np.fromfile(samples, "<c8")
    if values.size != prod(shape):
        raise DataError(f"{samples} has {values.size} numbers, its header says {shape}")
    while len(shape) > 1 and shape[-1] == 1:
        shape.pop()
    return values.reshape(shape, order="F")


def read_npy(path: Path) -> NDArray[np.complex64]:
    """The array of a .npy file; pickled objects are refused."""
    try:
        values = np.load(readable(path), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no NumPy array: {error}") from None
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path} holds several arrays, expected one")
    if values.dtype.kind != "c":
        raise DataError(f"{path} holds {values.dtype}, expected complex k-space")
    return np.asarray(values, np.complex64)


READERS: dict[str, Callable[[Path], NDArray[np.complex64]]] = {
    ".cfl": read_cfl,
    ".hdr": read_cfl,
    ".npy": read_npy,
}
"""The formats, by suffix."""


def arrange(
    values: NDArray[np.complex64], readout: int, phase: int, coil: int, slices: int | None = None
) -> NDArray[np.complex64]:
    """The array as [slice, coil, k1, k0]; every axis that is not named must have size 1.

    Raises DataError for an axis that the array does not have, or that is named twice.
    """
    named = [readout, phase, coil] if slices is None else [readout, phase, coil, slices]
    wrong = [axis for axis in named if not 0 <= axis < values.ndim]
    if wrong or len(set(named)) < len(named):
        raise DataError(
            f"axes {named} of an array of shape {values.shape}: each must exist and be named once"
        )
    rest = [axis for axis in range(values.ndim) if axis not in named]
    left = {axis: values.shape[axis] for axis in rest if values.shape[axis] > 1}
    if left:
        raise DataError(f"axes {left} (index: size) of shape {values.shape} are neither of the axes named")
    flat = values[..., None] if slices is None else values
    first = values.ndim if slices is None else slices
    return np.ascontiguousarray(
        flat.transpose(*rest, first, coil, phase, readout).reshape(
            flat.shape[first], values.shape[coil], values.shape[phase], values.shape[readout]
        )
    )
