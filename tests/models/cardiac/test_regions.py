"""Regions, holes and outlines of masks."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import Delaunay

from models.cardiac.contour import outline, smoothed
from models.cardiac.regions import filled, grown, hull, largest, regions, shrunk


@pytest.fixture(params=range(4))
def mask(request):
    return np.random.default_rng(request.param).random((40, 33)) < 0.45


def test_regions_are_those_of_a_library(mask):
    ours, (theirs, count) = regions(mask), ndimage.label(mask)
    pairs = {(int(a), int(b)) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)}
    assert len(pairs) == count + 1 == ours.max() + 1


def test_holes_are_filled_and_bays_are_not(mask):
    np.testing.assert_array_equal(filled(mask), ndimage.binary_fill_holes(mask))


def test_growing_and_shrinking_are_by_edges(mask):
    np.testing.assert_array_equal(grown(mask, 2), ndimage.binary_dilation(mask, iterations=2))
    np.testing.assert_array_equal(shrunk(mask)[1:-1, 1:-1], ndimage.binary_erosion(mask)[1:-1, 1:-1])


def test_a_hull_holds_every_middle_between_two_others(mask):
    points = np.argwhere(mask)
    every = np.stack(np.mgrid[: mask.shape[0], : mask.shape[1]], -1).reshape(-1, 2)
    inside = Delaunay(points).find_simplex(every, tol=1e-9) >= 0
    np.testing.assert_array_equal(hull(mask), inside.reshape(mask.shape))


def test_the_largest_region_near_something_wins():
    mask = np.zeros((10, 20), bool)
    mask[1:9, 1:9] = mask[2:4, 12:14] = True
    near = np.zeros_like(mask)
    near[:, 13:] = True
    assert largest(mask).sum() == 64
    assert largest(mask, near).sum() == 4
    assert not largest(np.zeros_like(mask)).any()


def test_an_outline_encloses_the_area_of_its_pixels(mask):
    one = filled(largest(mask))
    points = outline(one)
    y, x = points.T
    area = 0.5 * abs(float(np.sum(y[:-1] * x[1:] - y[1:] * x[:-1])))
    assert area == one.sum()
    assert (points[0] == points[-1]).all()


def test_a_smoothed_circle_keeps_its_radius():
    y, x = np.mgrid[:64, :64]
    path = smoothed(outline((y - 32) ** 2 + (x - 30) ** 2 <= 400), 8)
    radius = np.hypot(path[:, 0] - 32, path[:, 1] - 30)
    np.testing.assert_allclose(radius, 20, atol=0.6)
