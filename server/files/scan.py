"""Recorded scans: readouts and waveforms of an ISMRMRD HDF5 file, in runs of equal shape."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gadgets.data import Heads, Readouts, Waveform
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD
from server.files.layout import READOUT, WAVEFORM, convert, scans, text
from server.files.opened import opened, reading
from server.files.truth import Truth, write_truth

RUN_BYTES = 16 << 20
"""How many bytes of samples one run holds at most (one readout at least)."""

BATCH = 4096
"""How many readouts a run holds at most."""

DAY = 24 * 3600 * 400
"""Time stamps count ticks of 2.5 ms since midnight, and begin again at the next."""


@dataclass(frozen=True, kw_only=True)
class RecordedScan:
    """A scan in a file; nothing but its header is in memory until ``runs`` is walked."""

    path: Path
    group: str
    """The HDF5 group that holds it."""

    xml: str = field(repr=False)
    """The MRD header; empty when the file has none."""

    readouts: int
    """How many readouts there are."""

    waveforms: int
    """How many stretches of waveforms there are."""

    def runs(self) -> Iterator[Readouts | Waveform]:
        """The readouts in the file's order, each waveform before the first readout that is later than it.

        Consecutive readouts of equal shape come together, about ``RUN_BYTES`` of them; a run may hold
        readouts of several kinds.

        Raises DataError where the samples of a readout are not as many as its header says.
        """
        with reading(self.path) as file:
            waiting = _waveforms(file[self.group]) if self.waveforms else []
            due, now = np.zeros(0, np.int64), 0
            for offset, rows in _batches(file[self.group]["data"]):
                head = convert(rows["head"], READOUT_HEAD)
                stamps = head["acquisition_time_stamp"]
                if offset == 0:
                    now, due = (
                        int(stamps[0]),
                        _elapsed([one.head["time_stamp"] for one in waiting], stamps[0]),
                    )
                times = np.maximum(_elapsed(stamps, now), now)
                places, now = np.searchsorted(times, due, side="right"), int(times[-1])
                for first, last in _cut(head, places):
                    sent = int(np.searchsorted(places, first, side="right"))
                    yield from waiting[:sent]
                    waiting, due, places = waiting[sent:], due[sent:], places[sent:]
                    yield _run(head[first:last], rows[first:last], offset + first)
            yield from waiting


def read_scan(path: Path, group: str = "dataset") -> RecordedScan:
    """The scan in ``group`` of an ISMRMRD file, or in the one group that holds a scan under another name.

    Raises DataError when the file cannot be read, or holds no such scan.
    """
    with reading(path) as file:
        name = _choose(path, scans(file), group)
        found = file[name]
        return RecordedScan(
            path=path,
            group=name,
            xml=text(found["xml"][()]) if "xml" in found else "",
            readouts=found["data"].shape[0],
            waveforms=found["waveforms"].shape[0] if "waveforms" in found else 0,
        )


def write_scan(
    path: Path,
    xml: str,
    runs: Iterable[Readouts],
    waveforms: Iterable[Waveform] = (),
    truth: dict[str, Truth] | Callable[[], dict[str, Truth]] | None = None,
    group: str = "dataset",
) -> int:
    """Write a scan as ISMRMRD lays it out, and return how many readouts it has.

    Runs are written as they come, so that a scan need not fit into memory; ``truth`` is asked for after them.
    An existing file is replaced.
    """
    with opened(path, "w") as file:
        target = file.create_group(group)
        target.create_dataset("xml", data=[xml.encode()], dtype=h5py.special_dtype(vlen=bytes))
        data = target.create_dataset("data", (0,), READOUT, maxshape=(None,), chunks=(1024,))
        for run in runs:
            _append(data, _packed(run))
        stretches = list(waveforms)
        if stretches:
            kept = target.create_dataset("waveforms", (0,), WAVEFORM, maxshape=(None,), chunks=(1024,))
            _append(kept, _packed_waveforms(stretches))
        write_truth(file, truth() if callable(truth) else truth or {})
        return int(data.shape[0])


def _choose(path: Path, found: Sequence[str], wanted: str) -> str:
    if wanted in found:
        return wanted
    if len(found) == 1:
        return found[0]
    names = ", ".join(found) or "no group with readouts"
    raise DataError(f"{path} has no scan in group {wanted!r}; found {names}")


def _batches(data: h5py.Dataset) -> Iterator[tuple[int, NDArray[Any]]]:
    """Consecutive records with the index of the first, about ``RUN_BYTES`` at once.

    Whole records only: to ask h5py for one field of them reads, and never frees, the samples as well.
    """
    start, step = 0, 1
    while start < data.shape[0]:
        rows = data[start : start + step]
        yield start, rows
        start += len(rows)
        step = max(1, RUN_BYTES // max(4 * max(map(len, rows["data"])), RUN_BYTES // BATCH))


def _shapes(head: Heads) -> NDArray[np.int64]:
    fields = ("number_of_samples", "active_channels", "trajectory_dimensions")
    return np.stack([head[name].astype(np.int64) for name in fields], -1)


def _cut(head: Heads, places: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last index (excluded) of the readouts of equal shape between the waveforms' places."""
    shapes = _shapes(head)
    changes = np.flatnonzero((shapes[1:] != shapes[:-1]).any(-1)) + 1
    edges = np.unique(np.concatenate([[0], changes, places[places < len(head)], [len(head)]])).tolist()
    return itertools.pairwise(edges)


def _run(head: Heads, rows: NDArray[Any], index: int) -> Readouts:
    samples, channels, dimensions = _shapes(head)[0].tolist()
    values = _joined(rows["data"], 2 * channels * samples, "samples", index)
    trajectory = None
    if dimensions:
        points = _joined(rows["traj"], samples * dimensions, "trajectory", index)
        trajectory = points.reshape(-1, samples, dimensions)
    data = values.view(np.complex64).reshape(-1, channels, samples)
    return Readouts(head=head, data=data, trajectory=trajectory)


def _joined(rows: NDArray[Any], size: int, name: str, first: int) -> NDArray[np.float32]:
    """float32 [readout, size] of a column of variable length, from the readout ``first`` on."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    wrong = np.flatnonzero(lengths != size)
    if wrong.size:
        place = int(wrong[0])
        raise DataError(
            f"{name} of readout {first + place}: {int(lengths[place])} numbers, but its header says {size}"
        )
    joined: NDArray[np.float32] = np.concatenate(rows).astype(np.float32, copy=False).reshape(-1, size)
    return joined


def _waveforms(group: h5py.Group) -> list[Waveform]:
    records = group["waveforms"][()]
    head = convert(records["head"], WAVEFORM_HEAD)
    return [_waveform(head[index, ...], row) for index, row in enumerate(records["data"])]


def _waveform(head: Heads, row: NDArray[Any]) -> Waveform:
    channels, samples = int(head["channels"]), int(head["number_of_samples"])
    if len(row) != channels * samples:
        raise DataError(f"a waveform has {len(row)} numbers, but its header says {channels} x {samples}")
    return Waveform(head=head, data=row.astype(np.uint32).reshape(channels, samples))


def _elapsed(stamps: NDArray[Any] | Sequence[NDArray[Any]], since: int) -> NDArray[np.int64]:
    """Time stamps that go on counting across midnight and never back; ``since`` says on which day."""
    ticks = np.concatenate([[since], np.asarray(stamps, np.int64)]).astype(np.int64)
    return np.maximum.accumulate(np.unwrap(ticks, period=DAY)[1:])


def _append(dataset: h5py.Dataset, rows: NDArray[Any]) -> None:
    start = dataset.shape[0]
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


def _packed(run: Readouts) -> NDArray[Any]:
    count = len(run.head)
    rows = np.empty(count, READOUT)
    rows["head"] = run.head
    flat = np.ascontiguousarray(run.data).reshape(count, -1).view(np.float32)
    rows["data"] = np.fromiter(flat, object, count)
    points = np.zeros((count, 0), np.float32) if run.trajectory is None else run.trajectory.reshape(count, -1)
    rows["traj"] = np.fromiter(points, object, count)
    return rows


def _packed_waveforms(waveforms: Sequence[Waveform]) -> NDArray[Any]:
    rows = np.zeros(len(waveforms), WAVEFORM)
    for index, one in enumerate(waveforms):
        rows["head"][index : index + 1] = convert(one.head.reshape(1), WAVEFORM_HEAD)
    rows["data"] = np.fromiter((one.data.reshape(-1) for one in waveforms), object, len(waveforms))
    return rows
