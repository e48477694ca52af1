import numpy as np
import pytest

from gadgets.data import Readouts, Waveform
from gadgets.head import Flag
from server.errors import DataError
from server.files.scan import read_scan
from server.spool.export import export
from server.spool.stream import Spooled
from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.scans import said
from tests.endtoend.scans import scan as simulated
from tests.server.spool.scans import keep, readouts, scan, xml
from tests.server.wire.test_follow import compressed


def spooled(spool, data):
    return Spooled(keep(spool, data, {"state": "complete"}).path)


def singles(items):
    """Each readout as its header and its bytes."""
    for item in items:
        if isinstance(item, Readouts):
            for index, head in enumerate(item.head):
                path = b"" if item.trajectory is None else item.trajectory[index].tobytes()
                yield head.tobytes(), item.data[index].tobytes(), path


def waves(items):
    return [(item.head.tolist(), item.data.tobytes()) for item in items if isinstance(item, Waveform)]


@pytest.mark.parametrize(
    "data", [scan(), said("cartesian_fft", simulated(columns=16, lines=16))], ids=["mixed", "simulated"]
)
def test_the_file_holds_what_was_sent(spool, tmp_path, data):
    target = tmp_path / "out.h5"
    done = export(spooled(spool, data), target)
    messages = decode_all(data)
    found = list(read_scan(target).runs())
    assert list(singles(found)) == list(singles(messages))
    assert waves(found) == waves(messages)
    assert (done.readouts, done.waveforms) == (len(list(singles(messages))), len(waves(messages)))
    assert (done.left_out, done.incomplete, done.fault) == ({}, 0, "")


def test_the_header_is_the_one_that_was_sent(spool, tmp_path):
    export(spooled(spool, scan()), tmp_path / "out.h5")
    assert read_scan(tmp_path / "out.h5").xml == xml()


def test_of_a_cut_stream_every_complete_readout_is_there(spool, tmp_path):
    whole = scan(count=20, close=False)
    done = export(spooled(spool, whole[:-300]), tmp_path / "out.h5")
    assert done.readouts == 22
    assert done.incomplete > 0


def test_what_has_no_place_in_the_file_is_said(spool, tmp_path):
    data = scan(parameters="a word", close=False) + compressed() + encode.readouts(readouts(1))
    done = export(spooled(spool, data), tmp_path / "out.h5")
    assert done.readouts == 24
    assert done.left_out["TextMessage"] == 1
    assert sum(done.left_out.values()) == 2


def test_behind_a_fault_nothing_is_read_and_the_fault_is_said(spool, tmp_path):
    done = export(spooled(spool, scan(close=False) + b"\xe7\x03" + bytes(50)), tmp_path / "out.h5")
    assert done.readouts == 23
    assert "message id 999 is unknown" in done.fault
    assert done.incomplete == 52


def test_a_stream_without_header_is_refused(spool, tmp_path):
    with pytest.raises(DataError, match="no header"):
        export(spooled(spool, encode.config_file("a")), tmp_path / "out.h5")


def test_a_scan_larger_than_a_buffer_goes_through_in_runs(spool, tmp_path):
    run = readouts(900, coils=16, samples=64, flags=Flag.NOISE_MEASUREMENT)
    done = export(spooled(spool, encode.header(xml()) + encode.readouts(run)), tmp_path / "out.h5")
    assert done.readouts == 900
    held = np.concatenate([item.data for item in read_scan(tmp_path / "out.h5").runs()])
    assert np.array_equal(held, run.data)
