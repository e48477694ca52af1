import numpy as np
import pytest

from gadgets.errors import DataError
from server.files.arrays import arrange, read_array


def write_cfl(path, values):
    shape = [*values.shape, 1, 1]
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{' '.join(map(str, shape))}\n")
    values.astype("<c8").reshape(-1, order="F").tofile(path.with_suffix(".cfl"))


def values(*shape):
    return (np.arange(np.prod(shape)) * (1 - 2j)).reshape(shape).astype(np.complex64)


@pytest.mark.parametrize("suffix", [".cfl", ".hdr"])
def test_a_cfl_file_is_read_with_its_first_axis_fastest(tmp_path, suffix):
    write_cfl(tmp_path / "a", values(1, 3, 4, 2))
    assert np.array_equal(read_array((tmp_path / "a").with_suffix(suffix)), values(1, 3, 4, 2))


def test_a_cfl_file_shorter_than_its_header_says_is_refused(tmp_path):
    write_cfl(tmp_path / "a", values(3, 4))
    (tmp_path / "a.cfl").write_bytes(b"\0" * 80)
    with pytest.raises(DataError, match="has 10 numbers"):
        read_array(tmp_path / "a.cfl")


def test_a_npy_file_is_read_and_pickles_and_real_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", values(2, 3))
    assert np.array_equal(read_array(tmp_path / "a.npy"), values(2, 3))
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="no NumPy array"):
        read_array(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", np.zeros(3))
    with pytest.raises(DataError, match="float64, expected complex"):
        read_array(tmp_path / "c.npy")


def test_a_suffix_that_is_not_known_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.xyz is of no known format; known are \.cfl"):
        read_array(tmp_path / "a.xyz")


def test_axes_are_brought_into_order():
    array = values(1, 3, 4, 2)
    found = arrange(array, readout=2, phase=1, coil=3)
    assert found.shape == (1, 2, 3, 4)
    assert found[0, 1, 2, 3] == array[0, 2, 3, 1]


def test_a_slice_axis_becomes_the_first():
    array = values(5, 2, 3, 4)
    assert np.array_equal(arrange(array, readout=3, phase=2, coil=1, slices=0), array)


@pytest.mark.parametrize(
    ("axes", "words"), [((0, 1, 7), "must exist"), ((0, 1, 1), "named once"), ((0, 1, 2), "neither")]
)
def test_axes_that_do_not_fit_are_refused(axes, words):
    with pytest.raises(DataError, match=words):
        arrange(values(3, 4, 2, 5), *axes)
