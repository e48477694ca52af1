"""Which patterns of lines have a gap."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gadgets.kspace.coverage import missing, name_lines, region
from gadgets.kspace.layout import Layout


def mask(shape, lines):
    out = np.zeros(shape, np.bool_)
    out[tuple(np.transpose(lines))] = True
    return out


def plain(*k1, size=16):
    return mask((1, size), [(0, at) for at in k1])


def space(size=16, step=1, span=None, **rest):
    return Layout(encoding=0, matrix=(1, size), step=(1, step), span=(range(1), span or range(size)), **rest)


def where(lacking):
    return np.argwhere(lacking)[:, 1].tolist()


@given(st.integers(1, 6), st.integers(0, 5), st.sets(st.integers(0, 15)))
def test_of_a_grid_exactly_the_lines_that_were_left_out_are_missing(step, offset, left_out):
    grid = list(range(offset % step, 16, step))
    kept = [k1 for k1 in grid if k1 not in left_out]
    lacking = where(missing(plain(*kept), space(step=step)))
    assert lacking == ([k1 for k1 in grid if k1 in left_out] if kept else [])


def test_lines_outside_the_limits_are_no_gap():
    assert where(missing(plain(*range(4, 12)), space(span=range(4, 13)))) == [12]


def test_without_limits_the_outermost_lines_are_the_limits():
    layout = Layout(encoding=0, matrix=(1, 16), step=(1, 2))
    assert where(missing(plain(3, 5, 9, 11), layout)) == [7]


def test_lines_off_the_grid_explain_nothing_and_hurt_nothing():
    assert where(missing(plain(0, 2, 6, 7, 8, 10, 12, 14), space(step=2))) == [4]


def test_between_embedded_reference_lines_every_line_is_needed():
    assert where(missing(plain(0, 3, 6, 9, 12, 15), space(step=3), plain(5, 7, 10))) == [8]


def test_every_partition_may_begin_at_an_offset_of_its_own():
    lines = mask((4, 8), [(k2, k1) for k2 in range(4) for k1 in range(k2 % 2, 8, 2)])
    layout = Layout(encoding=0, matrix=(4, 8), step=(1, 2), span=(range(4), range(8)))
    assert not missing(lines, layout).any()
    lines[2, 4] = False
    assert np.argwhere(missing(lines, layout)).tolist() == [[2, 4]]


def test_a_missing_partition_is_named_by_its_counters():
    layout = Layout(encoding=0, matrix=(3, 2), span=(range(3), range(2)), shift=(1, 0))
    lacking = missing(mask((3, 2), [(0, 0), (0, 1), (2, 0), (2, 1)]), layout)
    assert name_lines(lacking, layout) == "(k1, k2) = (0, 0), (1, 0)"


def test_an_elliptical_shutter_is_no_gap_but_a_hole_in_it_is():
    k2, k1 = np.mgrid[0:16, 0:24]
    lines = ((k2 - 7.5) / 8) ** 2 + ((k1 - 11.5) / 12) ** 2 <= 1
    layout = Layout(encoding=0, matrix=(16, 24), span=(range(16), range(24)))
    assert not missing(lines, layout).any()
    lines[8, 3] = False
    assert np.argwhere(missing(lines, layout)).tolist() == [[8, 3]]


def test_many_missing_lines_are_cut_short():
    layout = space()
    assert name_lines(plain(*range(12)), layout) == "k1 = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."


@given(st.sets(st.integers(0, 15), min_size=1))
def test_a_region_is_gapless_and_cannot_grow(lines):
    k2, k1 = region(plain(*lines))
    assert k2 == slice(0, 1)
    assert set(range(k1.start, k1.stop)) <= lines
    assert k1.start - 1 not in lines
    assert k1.stop not in lines


def test_a_region_lies_at_the_centre_however_long_the_runs_elsewhere():
    assert region(plain(*range(6), 8, 9))[1] == slice(8, 10)
    assert region(plain(*range(5), 11, 12))[1] == slice(11, 13)


def test_from_a_disc_of_reference_lines_a_full_rectangle_is_taken():
    k2, k1 = np.mgrid[0:16, 0:16]
    disc = (k2 - 8) ** 2 + (k1 - 8) ** 2 <= 25
    box = region(disc)
    assert disc[box].all()
    assert disc[box].size >= 36


def test_every_line_may_begin_at_an_offset_of_its_own_along_k2():
    lines = mask((8, 8), [(k2, k1) for k1 in range(0, 8, 2) for k2 in range(k1 // 2 % 2, 8, 2)])
    layout = Layout(encoding=0, matrix=(8, 8), step=(2, 2), span=(range(8), range(8)))
    assert not missing(lines, layout).any()
    lines[3, 2] = False
    assert np.argwhere(missing(lines, layout)).tolist() == [[3, 2]]
