import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from server.files.images import ImageFile, read_images, write_images

RNG = np.random.default_rng(0)
META = "<ismrmrdMeta><meta><name>Role</name><value>map</value></meta></ismrmrdMeta>"
TYPES = ["<u2", "<i2", "<f4", "<c8"]


def image(series=1, shape=(1, 1, 4, 6), dtype="<f4", meta=META, index=0):
    head = np.zeros((), IMAGE_HEAD)
    head["version"], head["image_series_index"], head["image_index"] = 1, series, index
    head["field_of_view"] = 60, 40, 5
    head["position"] = RNG.standard_normal(3)
    values = RNG.integers(0, 9000, shape).astype(dtype)
    return head, meta, values * (1 + 2j) if dtype == "<c8" else values


@pytest.mark.parametrize("dtype", TYPES)
def test_images_are_read_back_bit_for_bit(tmp_path, dtype):
    head, meta, data = image(dtype=dtype)
    data = data.astype(dtype)
    write_images(tmp_path / "a.h5", [(head, meta, data), (head, meta, data + 1)])
    (found,) = read_images(tmp_path / "a.h5")
    assert found.group == "dataset/image_1"
    assert found.data.dtype == np.dtype(dtype)
    assert np.array_equal(found.data, np.stack([data, data + 1]))
    assert found.meta == (meta, meta)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_ismrmrd_library_reads_our_images(tmp_path, dtype):
    head, meta, data = image(series=20, shape=(2, 3, 4, 6), dtype=dtype)
    data = data.astype(dtype)
    write_images(tmp_path / "a.h5", [(head, meta, data)])
    with ismrmrd.Dataset(tmp_path / "a.h5", mode="r") as dataset:
        found = dataset.read_image("image_20", 0)
    assert np.array_equal(found.data, data)
    assert found.meta["Role"] == "map"
    assert tuple(found.matrix_size) == (6, 4, 3)
    assert found.position[:] == pytest.approx(head["position"].tolist())


def test_we_read_the_images_of_the_ismrmrd_library(tmp_path):
    data = RNG.standard_normal((1, 1, 4, 6)).astype(np.complex64)
    with ismrmrd.Dataset(tmp_path / "a.h5", "2026-11-21 10:00:00") as dataset:
        made = ismrmrd.Image.from_array(data[0, 0], transpose=False)
        made.attribute_string = META
        dataset.append_image("image_3", made)
    (found,) = read_images(tmp_path / "a.h5")
    assert found.group == "2026-11-21 10:00:00/image_3"
    assert np.array_equal(found.data[0], data)


def test_the_header_says_what_the_pixels_are(tmp_path):
    write_images(tmp_path / "a.h5", [image(shape=(3, 2, 4, 6), dtype="<u2", meta="é")])
    (found,) = read_images(tmp_path / "a.h5")
    head = found.head[0]
    assert head["matrix_size"].tolist() == [6, 4, 2]
    assert (head["channels"], head["data_type"], head["attribute_string_len"]) == (3, 1, 2)


def test_each_series_has_its_group_and_a_changed_matrix_or_type_one_of_its_own(tmp_path):
    with ImageFile(tmp_path / "a.h5") as file:
        names = [
            file.append(*image(series=1)),
            file.append(*image(series=20)),
            file.append(*image(series=1, shape=(1, 1, 5, 5))),
            file.append(*image(series=1, dtype="<u2")),
            file.append(*image(series=1)),
            file.append(*image(series=1, shape=(1, 1, 5, 5))),
        ]
    assert names == ["image_1", "image_20", "image_1_1", "image_1_2", "image_1", "image_1_1"]
    assert sum(len(each.head) for each in read_images(tmp_path / "a.h5")) == 6


def test_what_was_appended_is_on_disk_before_the_file_is_closed(tmp_path):
    file = ImageFile(tmp_path / "a.h5", xml="<header/>")
    file.append(*image())
    file.append(*image())
    copy = tmp_path / "copy.h5"
    copy.write_bytes((tmp_path / "a.h5").read_bytes())
    (found,) = read_images(copy)
    assert len(found.head) == 2
    with h5py.File(copy) as whole:
        assert whole["dataset/xml"][0] == b"<header/>"
    file.close()


def test_pixels_that_ismrmrd_has_no_type_for_are_refused(tmp_path):
    head, meta, data = image()
    with ImageFile(tmp_path / "a.h5") as file:
        with pytest.raises(DataError, match="pixels are bool"):
            file.append(head, meta, data > 0)
        with pytest.raises(DataError, match="2 axes, expected 4"):
            file.append(head, meta, data[0, 0])


def test_the_caller_keeps_its_header(tmp_path):
    head, meta, data = image()
    before = head.tobytes()
    write_images(tmp_path / "a.h5", [(head, meta, data)])
    assert head.tobytes() == before
