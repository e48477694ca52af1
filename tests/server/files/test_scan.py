import contextlib
import subprocess
import sys
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.data import Readouts, Waveform
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD
from server.files import scan as scans
from server.files.scan import DAY, read_scan, write_scan
from server.files.truth import Truth, read_truth

RNG = np.random.default_rng(0)


def readouts(count, coils=2, samples=5, dims=0, stamps=None):
    head = np.zeros(count, READOUT_HEAD)
    head["version"] = 1
    head["flags"] = RNG.integers(0, 1 << 60, count)
    head["scan_counter"] = np.arange(count)
    head["number_of_samples"], head["active_channels"] = samples, coils
    head["available_channels"], head["trajectory_dimensions"] = coils, dims
    head["idx"]["kspace_encode_step_1"] = RNG.integers(0, 1000, count)
    head["idx"]["user"] = RNG.integers(0, 1000, (count, 8))
    head["position"] = RNG.standard_normal((count, 3))
    head["acquisition_time_stamp"] = np.arange(count) if stamps is None else stamps
    data = RNG.standard_normal((count, coils, 2 * samples)).astype(np.float32).view(np.complex64)
    path = RNG.standard_normal((count, samples, dims)).astype(np.float32) if dims else None
    return Readouts(head=head, data=data, trajectory=path)


def waveform(stamp, channels=2, samples=3):
    head = np.zeros((), WAVEFORM_HEAD)
    head["version"], head["time_stamp"] = 1, stamp
    head["channels"], head["number_of_samples"] = channels, samples
    return Waveform(head=head, data=RNG.integers(0, 1 << 32, (channels, samples), dtype=np.uint32))


def joined(runs):
    head = np.concatenate([each.head for each in runs])
    return head, [row for each in runs for row in each.data]


def test_what_is_written_is_read_back_bit_for_bit(tmp_path):
    parts = [readouts(4), readouts(3, samples=7, dims=2), readouts(1, coils=1), readouts(2, coils=1)]
    assert write_scan(tmp_path / "a.h5", "<header/>", parts) == 10
    found = read_scan(tmp_path / "a.h5")
    runs = list(found.runs())
    assert (found.xml, found.readouts, found.waveforms) == ("<header/>", 10, 0)
    assert joined(runs)[0].tobytes() == joined(parts)[0].tobytes()
    assert all(np.array_equal(a, b) for a, b in zip(joined(runs)[1], joined(parts)[1], strict=True))
    paths = [row for run in runs if run.trajectory is not None for row in run.trajectory]
    assert np.array_equal(np.stack(paths), parts[1].trajectory)


def test_a_run_has_one_shape(tmp_path):
    write_scan(tmp_path / "a.h5", "", [readouts(3), readouts(2, samples=6), readouts(2)])
    runs = list(read_scan(tmp_path / "a.h5").runs())
    assert sum(len(run.head) for run in runs) == 7
    for run in runs:
        assert set(run.head["number_of_samples"].tolist()) == {run.data.shape[-1]}


def test_runs_stay_within_their_budget_of_bytes(tmp_path, monkeypatch):
    part = readouts(50)
    write_scan(tmp_path / "a.h5", "", [part])
    monkeypatch.setattr(scans, "RUN_BYTES", 8 * 10 * 8)
    runs = list(read_scan(tmp_path / "a.h5").runs())
    assert max(run.data.nbytes for run in runs) <= 8 * 10 * 8
    assert joined(runs)[0].tobytes() == part.head.tobytes()


def test_the_ismrmrd_library_reads_what_we_write(tmp_path):
    part, wave = readouts(3, dims=2), waveform(1)
    write_scan(tmp_path / "a.h5", "<header/>", [part], [wave])
    with ismrmrd.Dataset(tmp_path / "a.h5", mode="r") as dataset:
        assert dataset.read_xml_header() == b"<header/>"
        assert dataset.number_of_acquisitions() == 3
        for index in range(3):
            found = dataset.read_acquisition(index)
            assert bytes(found.getHead()) == part.head[index].tobytes()
            assert np.array_equal(found.data, part.data[index])
            assert np.array_equal(found.traj, part.trajectory[index])
        assert np.array_equal(dataset.read_waveform(0).data, wave.data)


def test_we_read_what_the_ismrmrd_library_writes(tmp_path):
    part = readouts(4)
    with ismrmrd.Dataset(tmp_path / "a.h5") as dataset:
        dataset.write_xml_header("<header/>")
        for head, data in zip(part.head, part.data, strict=True):
            acquisition = ismrmrd.Acquisition(head)
            acquisition.data[:] = data
            dataset.append_acquisition(acquisition)
    found = read_scan(tmp_path / "a.h5")
    head, data = joined(list(found.runs()))
    assert found.xml == "<header/>"
    assert head.tobytes() == part.head.tobytes()
    assert np.array_equal(np.stack(data), part.data)


def test_headers_of_another_layout_are_read_field_by_field(tmp_path):
    part = readouts(2)
    names = list(READOUT_HEAD.names)
    other = np.dtype([(name, READOUT_HEAD[name]) for name in reversed(names)], align=True)
    rows = np.zeros(2, [("data", h5py.special_dtype(vlen=np.float32)), ("head", other)])
    for name in names:
        rows["head"][name] = part.head[name]
    rows["data"] = np.fromiter(part.data.reshape(2, -1).view(np.float32), object, 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["dataset/data"] = rows
    found = read_scan(tmp_path / "a.h5")
    (run,) = [joined(list(found.runs()))]
    assert found.xml == ""
    assert run[0].tobytes() == part.head.tobytes()


def test_waveforms_come_before_the_first_later_readout(tmp_path):
    part = readouts(6, stamps=[10, 20, 30, 40, 50, 60])
    waves = [waveform(stamp) for stamp in (5, 30, 41, 42, 99)]
    write_scan(tmp_path / "a.h5", "", [part], waves)
    order = [
        int(one["time_stamp"]) if item.head.dtype == WAVEFORM_HEAD else -int(one["acquisition_time_stamp"])
        for item in read_scan(tmp_path / "a.h5").runs()
        for one in np.atleast_1d(item.head)
    ]
    assert order == [5, -10, -20, -30, 30, -40, 41, 42, -50, -60, 99]


def test_the_bytes_between_the_fields_of_a_waveform_are_0(tmp_path):
    """``WAVEFORM_HEAD`` is aligned; what fills it up must not be what stood in memory before."""
    waves = [waveform(stamp) for stamp in range(20)]
    for each in waves:
        raw = each.head.reshape(1).view(np.uint8)
        raw[2:8], raw[38:40] = 0xAA, 0xAA
    stale = [np.full(size, 0xAA, np.uint8) for size in (40, 40 * len(waves)) for _ in range(50)]
    del stale
    write_scan(tmp_path / "a.h5", "", [readouts(2)], waves)
    found = [item for item in read_scan(tmp_path / "a.h5").runs() if isinstance(item, Waveform)]
    for one, wave in zip(found, waves, strict=True):
        clean = np.zeros((), WAVEFORM_HEAD)
        for name in WAVEFORM_HEAD.names:
            clean[name] = wave.head[name]
        assert one.head.tobytes() == clean.tobytes()


def test_the_merge_does_not_depend_on_how_readouts_are_batched(tmp_path, monkeypatch):
    waves = [waveform(stamp) for stamp in (0, 3, 3, 17, 40)]
    write_scan(tmp_path / "a.h5", "", [readouts(30)], waves)

    def order():
        return [
            int(item.head["time_stamp"]) if isinstance(item, Waveform) else count
            for item in read_scan(tmp_path / "a.h5").runs()
            for count in ([0] if isinstance(item, Waveform) else [-1] * len(item.head))
        ]

    whole = order()
    monkeypatch.setattr(scans, "RUN_BYTES", 8 * 10 * 3)
    assert order() == whole


def test_waveforms_find_their_place_across_midnight(tmp_path):
    part = readouts(4, stamps=[DAY - 20, DAY - 10, 0, 10])
    write_scan(tmp_path / "a.h5", "", [part], [waveform(DAY - 5), waveform(5)])
    kinds = [
        type(item).__name__ for item in read_scan(tmp_path / "a.h5").runs() for _ in np.atleast_1d(item.head)
    ]
    assert kinds == ["Readouts", "Readouts", "Waveform", "Readouts", "Waveform", "Readouts"]


def test_a_scan_in_a_group_of_another_name_is_found_when_it_is_the_only_one(tmp_path):
    write_scan(tmp_path / "a.h5", "<x/>", [readouts(1)], group="2026-11-21 10:00:00")
    assert read_scan(tmp_path / "a.h5").group == "2026-11-21 10:00:00"


def test_a_file_without_a_scan_says_what_it_has(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("dataset")
    with pytest.raises(DataError, match="no scan in group 'dataset'; found no group with readouts"):
        read_scan(tmp_path / "a.h5")


UNCLOSED = """
import os, sys
from pathlib import Path
from server.files.scan import write_scan
from tests.server.files.test_scan import readouts

def runs():
    for _ in range(20):
        yield readouts(500, samples=64)
    os._exit(1)

write_scan(Path(sys.argv[1]), "<x/>", runs())
"""


def test_a_file_whose_writer_was_killed_is_damaged(tmp_path):
    subprocess.run([sys.executable, "-c", UNCLOSED, str(tmp_path / "a.h5")], cwd=Path(__file__).parents[3])
    with pytest.raises(DataError, match=r"a\.h5 is a damaged HDF5 file"):
        read_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("seed", range(20))
def test_damage_wherever_it_is_never_ends_in_a_fault_of_the_library(tmp_path, seed):
    """The first 4 KiB hold the structure, the rest mostly samples: both are hit."""
    write_scan(tmp_path / "a.h5", "<x/>", [readouts(300)], [waveform(3)])
    content, dice = bytearray((tmp_path / "a.h5").read_bytes()), np.random.default_rng(seed)
    for place in (*dice.integers(0, 4096, 4), *dice.integers(0, len(content), 12)):
        content[place] = dice.integers(256)
    (tmp_path / "a.h5").write_bytes(content)
    with contextlib.suppress(DataError):
        list(read_scan(tmp_path / "a.h5").runs())


def test_samples_that_are_not_as_many_as_the_header_says_are_named(tmp_path):
    part = readouts(5)
    write_scan(tmp_path / "a.h5", "", [part])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        row = file["dataset/data"][3]
        row["data"] = row["data"][:6]
        file["dataset/data"][3] = row
    with pytest.raises(DataError, match="6 numbers, but its header says 20"):
        list(read_scan(tmp_path / "a.h5").runs())


def test_an_empty_scan_has_no_runs_and_keeps_its_waveforms(tmp_path):
    write_scan(tmp_path / "a.h5", "", [], [waveform(3)])
    assert [type(item).__name__ for item in read_scan(tmp_path / "a.h5").runs()] == ["Waveform"]


def test_truth_keeps_its_units(tmp_path):
    values = RNG.standard_normal((2, 3)) * 1j
    truth = {"object": Truth(values=values, units="signal", description="[y, x]")}
    write_scan(tmp_path / "a.h5", "", [readouts(1)], truth=truth)
    found = read_truth(tmp_path / "a.h5")["object"]
    assert (found.units, found.description) == ("signal", "[y, x]")
    assert np.array_equal(found.values, values)


def test_a_real_scan_has_no_truth(tmp_path):
    write_scan(tmp_path / "a.h5", "", [readouts(1)])
    assert read_truth(tmp_path / "a.h5") == {}
