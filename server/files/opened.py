"""Files by name: opened, or refused in our own words instead of those of a library."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import h5py

from gadgets.errors import DataError


def opened(path: Path, mode: Literal["r", "w"] = "r") -> h5py.File:
    """An HDF5 file, to read, or a new one in the place of what was there.

    Raises DataError where it cannot be read, or made.
    """
    if mode == "w":
        writable(path)
    else:
        readable(path)
    try:
        return h5py.File(path, mode)
    except OSError as error:
        raise DataError(_why(path, mode, error)) from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to read from, in which damage may show only where it is read.

    A file whose writer was killed opens well, and so does one with a bad sector; h5py then raises whatever
    its layer at that place raises.

    Raises DataError where the file cannot be opened, or what is read of it is damaged.
    """
    with opened(path) as file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is a damaged HDF5 file: {error}") from None


def readable(path: Path) -> Path:
    """The path, when a file is there that may be read.

    Raises DataError otherwise.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path} may not be read")
    return path


def writable(path: Path) -> Path:
    """The path, when a file may be made there, or one that is there may be replaced.

    Raises DataError otherwise.
    """
    if not path.parent.is_dir():
        raise DataError(f"{path.parent}: no such folder")
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise DataError(f"{path} may not be written")
    return path


def _why(path: Path, mode: str, error: OSError) -> str:
    if mode == "w":
        return f"{path} cannot be made: {error}"
    return f"{path} is a damaged HDF5 file" if h5py.is_hdf5(path) else f"{path} is no HDF5 file"
