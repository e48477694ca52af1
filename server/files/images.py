"""Images in ISMRMRD HDF5 files: one group per series, ``image_N``, written while they arrive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from server.files.layout import COMPLEX, DATA_TYPE, convert, series, text
from server.files.opened import opened, reading


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredImages:
    """The images of one group of a file."""

    group: str
    """The group's path."""

    head: Heads
    """``IMAGE_HEAD``, [image]."""

    meta: tuple[str, ...] = field(repr=False)
    """The meta attributes as XML, by image; empty where there are none."""

    data: NDArray[Any] = field(repr=False)
    """[image, channel, z, y, x]."""


class ImageFile:
    """A file of images that grows with every ``append`` and is complete on disk after each.

    Images of one series stand in ``GROUP/image_N``; when their matrix or type changes, in ``image_N_1``,
    ``image_N_2`` and so on. An existing file is replaced.
    """

    def __init__(self, path: Path, group: str = "dataset", xml: str = "") -> None:
        self._file = opened(path, "w")
        self._root = self._file.create_group(group)
        if xml:
            self._root.create_dataset("xml", data=[xml.encode()], dtype=h5py.special_dtype(vlen=bytes))
        self._file.flush()

    def append(self, head: Heads, meta: str, data: NDArray[Any]) -> str:
        """Add one image, [channel, z, y, x], and return the name of the group that it went to.

        Matrix, channels, data type and attribute length of the header are written from the other arguments.

        Raises DataError for pixels that ISMRMRD has no type for, or without four axes.
        """
        record = _described(head, meta, data)
        pixels = np.ascontiguousarray(data)
        pixels = pixels.view(COMPLEX.get(pixels.dtype, pixels.dtype))
        name, group = self._place(int(record["image_series_index"]), pixels)
        for key, value in (("header", record), ("attributes", meta), ("data", pixels)):
            group[key].resize(group[key].shape[0] + 1, axis=0)
            group[key][-1] = value
        self._file.flush()
        return name

    def close(self) -> None:
        """Close the file; nothing is lost when it never comes to this."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _place(self, number: int, pixels: NDArray[Any]) -> tuple[str, h5py.Group]:
        name, suffix = f"image_{number}", 0
        while name in self._root:
            held = self._root[name]["data"]
            if held.shape[1:] == pixels.shape and held.dtype == pixels.dtype:
                return name, self._root[name]
            suffix += 1
            name = f"image_{number}_{suffix}"
        return name, self._create(name, pixels)

    def _create(self, name: str, pixels: NDArray[Any]) -> h5py.Group:
        group = self._root.create_group(name)
        group.create_dataset("header", (0,), IMAGE_HEAD, maxshape=(None,))
        group.create_dataset("attributes", (0,), h5py.special_dtype(vlen=str), maxshape=(None,))
        shape = pixels.shape
        group.create_dataset("data", (0, *shape), pixels.dtype, maxshape=(None, *shape), chunks=(1, *shape))
        return group


def write_images(path: Path, images: Iterable[tuple[Heads, str, NDArray[Any]]]) -> None:
    """Write (header, meta XML, pixels [channel, z, y, x]) of each image to a new file."""
    with ImageFile(path) as file:
        for head, meta, data in images:
            file.append(head, meta, data)


def read_images(path: Path) -> Iterator[StoredImages]:
    """The images of a file, group by group, whatever peer wrote it and however it named its groups.

    Raises DataError where it cannot be read.
    """
    with reading(path) as file:
        for name in series(file):
            yield _stored(name, file[name])


def _stored(name: str, group: h5py.Group) -> StoredImages:
    head = convert(group["header"][()].reshape(-1), IMAGE_HEAD)
    data = group["data"][()]
    if data.dtype.names == ("real", "imag"):
        data = data.view(f"<c{data.dtype.itemsize}")
    meta = group["attributes"][()].reshape(-1) if "attributes" in group else [""] * len(head)
    return StoredImages(group=name, head=head, meta=tuple(text(one) for one in meta), data=data)


def _described(head: Heads, meta: str, data: NDArray[Any]) -> NDArray[Any]:
    kind = DATA_TYPE.get(data.dtype.str)
    if kind is None:
        raise DataError(f"an image's pixels are {data.dtype}, ISMRMRD stores {', '.join(DATA_TYPE)}")
    if data.ndim != 4:
        raise DataError(f"an image has {data.ndim} axes, expected 4: channel, z, y, x")
    record = np.array(head, IMAGE_HEAD)
    record["data_type"] = kind
    record["channels"] = data.shape[0]
    record["matrix_size"] = data.shape[:0:-1]
    record["attribute_string_len"] = len(meta.encode())
    return record
