"""k-space of the fastMRI collection (HDF5 with ``kspace`` and ``ismrmrd_header``) as readouts.

Source: J. Zbontar et al., arXiv:1811.08839. The last axis of ``kspace`` counts phase-encoding lines over the
encoded matrix, the one before samples of the readout; lines that were not acquired are 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads, Readouts
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD, Flag
from gadgets.scan import Encoding
from server.acquisition import channel_mask
from server.files.layout import text
from server.files.opened import reading
from server.wire.header import read_header


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """One volume of the collection; its samples are read slice by slice."""

    path: Path
    xml: str = field(repr=False)
    encoding: Encoding
    shape: tuple[int, int, int, int]
    """(slice, coil, k0, k1)."""

    acquired: NDArray[np.bool_]
    """Which lines are not 0 throughout, [slice, k1]."""

    @property
    def doubts(self) -> list[str]:
        """What the file does not say."""
        found = ["says neither positions nor directions nor times: slices are laid apart by their thickness"]
        shares = self.acquired.sum(1)
        if self.acquired.any() and (limit := self.encoding.limit("kspace_encode_step_1")):
            lacking = int(limit.size - shares.min())
            if lacking > 0:
                found.append(
                    f"{lacking} lines of {limit.size} are 0 and left out, but its header says"
                    f" R = {self.encoding.acceleration[0]}"
                )
        return found

    def runs(self) -> Iterator[Readouts]:
        """The acquired lines, slice by slice.

        A line's counter is its place in the matrix less the shift that the header's limits give.
        """
        limit = self.encoding.limit("kspace_encode_step_1")
        slices, _, _, lines = self.shape
        shift = lines // 2 - limit.center if limit else 0
        with reading(self.path) as file:
            for index in range(slices):
                kept = np.flatnonzero(self.acquired[index])
                data = _slice(file["kspace"], index)[:, :, kept].transpose(2, 0, 1)
                head = _heads(self, index, kept - shift)
                head["scan_counter"] += int(self.acquired[:index].sum())
                if index == slices - 1:
                    head["flags"][-1:] |= np.uint64(int(Flag.LAST_IN_MEASUREMENT))
                yield Readouts(head=head, data=np.ascontiguousarray(data, np.complex64))


def holds_collection(path: Path) -> bool:
    """Whether a file is laid out so."""
    if not h5py.is_hdf5(path):
        return False
    with reading(path) as file:
        return "kspace" in file and "ismrmrd_header" in file


def read_collection(path: Path) -> Collection:
    """The volume in a file.

    Raises DataError where samples and header do not fit each other.
    """
    with reading(path) as file:
        xml, data = text(file["ismrmrd_header"][()]), file["kspace"]
        if data.ndim not in (3, 4):
            raise DataError(f"{path}: kspace has {data.ndim} axes, expected 3 or 4")
        slices, coils = data.shape[0], data.shape[1] if data.ndim == 4 else 1
        acquired = np.array([(_slice(data, index) != 0).any((0, 1)) for index in range(slices)])
        shape = (slices, coils, data.shape[-2], data.shape[-1])
    encoding = read_header(xml).encoding()
    if shape[3] != encoding.encoded.matrix[1]:
        raise DataError(
            f"{path}: kspace has {shape[3]} lines, but its header a matrix of {encoding.encoded.matrix[1]}"
        )
    return Collection(path=path, xml=xml, encoding=encoding, shape=shape, acquired=acquired)


def _slice(data: h5py.Dataset, index: int) -> NDArray[np.complex64]:
    """[coil, k0, k1]."""
    values: NDArray[np.complex64] = np.asarray(data[index], np.complex64)
    return values[None] if data.ndim == 3 else values


def _heads(collection: Collection, index: int, counters: NDArray[np.intp]) -> Heads:
    _, coils, samples, _ = collection.shape
    head = np.zeros(len(counters), READOUT_HEAD)
    head["version"] = 1
    head["scan_counter"] = np.arange(len(counters))
    head["number_of_samples"], head["center_sample"] = samples, samples // 2
    head["available_channels"] = head["active_channels"] = coils
    head["channel_mask"] = channel_mask(coils)
    head["idx"]["kspace_encode_step_1"], head["idx"]["slice"] = counters, index
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
    head["position"][:, 2] = 1000 * index * collection.encoding.recon.fov[2]
    head["flags"][:1] |= np.uint64(int(Flag.FIRST_IN_SLICE))
    head["flags"][-1:] |= np.uint64(int(Flag.LAST_IN_SLICE))
    return head
