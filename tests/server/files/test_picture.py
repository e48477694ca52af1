import numpy as np
import pytest

from server.files.picture import SIDE, Tile, chosen, montage, window


def tile(shape=(8, 8), extent=(1.0, 1.0), caption=("a", "b")):
    return Tile(values=np.ones(shape), extent=extent, window=(0.0, 1.0), caption=caption)


def test_the_window_leaves_out_what_is_brightest():
    values = np.append(np.linspace(0, 1, 1000), 1e6)
    low, high = window(values)
    assert low == 0
    assert 0.9 < high < 1.1


def test_the_window_of_a_constant_or_empty_image_is_not_empty():
    for values in (np.zeros(4), np.full(4, 3.0), np.full(4, np.nan)):
        low, high = window(values)
        assert high > low


def test_the_aspect_is_that_of_the_field_of_view():
    picture = np.asarray(montage([[tile(shape=(4, 16), extent=(300.0, 150.0))]]))[..., 0]
    bright = np.flatnonzero((picture == 255).mean(1) > 0.8)
    assert len(bright) == pytest.approx(SIDE / 2, abs=2)


@pytest.mark.parametrize("sizes", [[1], [100], [3, 100], [10, 10, 10], [1, 1, 500], [30, 2]])
def test_chosen_images_fit_and_every_series_is_seen(sizes):
    picks = chosen(sizes, 24)
    assert sum(map(len, picks)) <= 24
    assert sum(map(len, picks)) >= min(sum(sizes), 20)
    for pick, size in zip(picks, sizes, strict=True):
        assert pick
        assert pick == sorted(set(pick))
        assert pick[0] == 0
        assert pick[-1] < size


def test_a_picture_holds_all_its_tiles():
    for counts in ([1], [1, 1, 1], [24], [5, 1, 1, 7], []):
        picture = montage([[tile()] * count for count in counts], "title")
        area = np.asarray(picture)[..., 0] == 255
        assert area.sum() >= sum(counts) * SIDE * SIDE * 0.99


def test_long_captions_stay_within_their_tile():
    wide = np.asarray(montage([[tile(shape=(2, 2), caption=("w" * 200,))]]))
    assert (wide[:, -9:] == wide[0, 0]).all()
