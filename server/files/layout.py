"""How ISMRMRD lays scans and images out in HDF5, and the way from a file's own dtypes to the wire's."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD

READOUT = np.dtype(
    [
        ("head", READOUT_HEAD),
        ("traj", h5py.special_dtype(vlen=np.dtype("<f4"))),
        ("data", h5py.special_dtype(vlen=np.dtype("<f4"))),
    ]
)
"""One element of ``data``: real and imaginary parts alternate, samples run fastest, then coils."""

WAVEFORM = np.dtype([("head", WAVEFORM_HEAD), ("data", h5py.special_dtype(vlen=np.dtype("<u4")))])
"""One element of ``waveforms``."""

COMPLEX = {
    np.dtype("c8"): np.dtype([("real", "<f4"), ("imag", "<f4")]),
    np.dtype("c16"): np.dtype([("real", "<f8"), ("imag", "<f8")]),
}
"""Complex pixels are stored as pairs under these names."""

DATA_TYPE = {"<u2": 1, "<i2": 2, "<u4": 3, "<i4": 4, "<f4": 5, "<f8": 6, "<c8": 7, "<c16": 8}
"""``data_type`` of an image header, by the dtype of its pixels."""


def convert(source: NDArray[Any], dtype: np.dtype[Any]) -> Heads:
    """The same records in another layout, field by field; fields that the source lacks are 0."""
    out = np.zeros(source.shape, dtype)
    _fill(out, source)
    return out


def _fill(out: NDArray[Any], source: NDArray[Any]) -> None:
    have = source.dtype.names or ()
    for name in out.dtype.names or ():
        if name not in have:
            continue
        if out.dtype[name].names:
            _fill(out[name], source[name])
        else:
            out[name] = source[name]


def text(value: Any) -> str:  # noqa: ANN401 - whatever h5py made of a string
    """A string of a file: text, bytes or an array of one of them, with or without trailing NUL."""
    if isinstance(value, np.ndarray):
        return text(value.flat[0]) if value.size else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return str(value).rstrip("\0")


def scans(file: h5py.File) -> list[str]:
    """Paths of the groups that hold readouts, in the file's order."""
    return [path for path, group in _groups(file) if _holds(group) and "header" not in group]


def series(file: h5py.File) -> list[str]:
    """Paths of the groups that hold the images of one series, in the file's order."""
    return [path for path, group in _groups(file) if _holds(group) and "header" in group]


def _holds(group: h5py.Group) -> bool:
    return "data" in group and isinstance(group["data"], h5py.Dataset)


def _groups(parent: h5py.Group, path: str = "", depth: int = 4) -> Iterator[tuple[str, h5py.Group]]:
    for name, child in parent.items():
        if isinstance(child, h5py.Group) and depth:
            here = f"{path}/{name}" if path else name
            yield here, child
            yield from _groups(child, here, depth - 1)
