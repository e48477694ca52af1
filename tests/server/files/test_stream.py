import h5py
import numpy as np
import pytest
import torch

from gadgets.data import Image, Readouts, Waveform
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from server.files.images import write_images
from server.files.stream import gathered, read_stream, write_stream
from server.wire.decode import decode_all
from server.wire.meta import write_meta
from tests.server.files.test_scan import joined, readouts, waveform


def image(series=1, shape=(1, 1, 4, 6), dtype=torch.float32, **meta):
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"] = series
    data = torch.arange(float(np.prod(shape))).reshape(shape).to(dtype)
    return Image(data=data, head=head, meta=meta)


def plain(*items):
    """The same without flags: one kind of readouts."""
    for each in items:
        if isinstance(each, Readouts):
            each.head["flags"] = 0
    return list(items)


def test_a_stream_is_the_header_the_items_and_close(tmp_path):
    items = plain(readouts(3), waveform(5), readouts(2, samples=7, dims=2))
    assert write_stream(tmp_path / "a.mrd", "<header/>", items) == 5
    header, *found, close = decode_all((tmp_path / "a.mrd").read_bytes())
    assert header.xml == "<header/>"
    assert type(close).__name__ == "Close"
    assert [isinstance(each, Waveform) for each in found] == [False, True, False]
    sent = [each for each in items if isinstance(each, Readouts)]
    assert joined(found[::2])[0].tobytes() == joined(sent)[0].tobytes()
    assert np.array_equal(found[1].data, items[1].data)


def test_a_stream_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="absent: no such folder"):
        write_stream(tmp_path / "absent" / "a.mrd", "", [])


def test_a_stream_whose_scan_breaks_off_has_no_close(tmp_path):
    def items():
        yield from plain(readouts(1))
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        write_stream(tmp_path / "a.mrd", "", items())
    found = decode_all((tmp_path / "a.mrd").read_bytes())
    assert [type(each).__name__ for each in found] == ["Header", "Block"]


def test_a_file_of_something_else_is_no_stream(tmp_path):
    (tmp_path / "a.mrd").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"a\.mrd is no MRD stream, or damaged: message id"):
        list(read_stream(tmp_path / "a.mrd"))


def test_images_are_gathered_by_series_matrix_and_type_as_a_file_holds_them(tmp_path):
    images = [image(a=1), image(20), image(a=2), image(1, (1, 1, 2, 2)), image(1, dtype=torch.complex64)]
    images += [image(1, (1, 1, 2, 2))]
    found = gathered(images)
    counts = {one.group: len(one.head) for one in found}
    assert counts == {"image_1": 2, "image_20": 1, "image_1_1": 2, "image_1_2": 1}
    assert [write_meta({"a": 1}), write_meta({"a": 2})] == list(found[0].meta)
    assert np.array_equal(found[0].data[1], images[2].data.numpy())
    write_images(tmp_path / "a.h5", [(one.head, "", one.data.numpy()) for one in images])
    with h5py.File(tmp_path / "a.h5") as file:
        assert {name: len(group["data"]) for name, group in file["dataset"].items()} == counts
