"""What becomes of an accelerated scan where something is amiss: an error that says what, or a true image."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gadgets.head import Flag
from tests.endtoend.conftest import serving
from tests.endtoend.scans import said, scan, send

CHAIN = "cartesian_grappa"
NOISE = np.uint64(int(Flag.NOISE_MEASUREMENT))
REFERENCE = int(Flag.PARALLEL_CALIBRATION | Flag.PARALLEL_CALIBRATION_AND_IMAGING)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("failures")) as address:
        yield address


def changed(scan_, change, *, noise=False):
    """The scan with copies of its items changed, its noise readouts on demand."""
    xml, items = scan_
    items = [replace(item, head=item.head.copy(), data=item.data.copy()) for item in items]
    return xml, [change(item) if noise or not item.head["flags"][0] & NOISE else item for item in items]


def without_reference(item):
    keep = (item.head["flags"] & np.uint64(REFERENCE)) == 0
    return replace(item, head=item.head[keep], data=item.data[keep])


def dead(item):
    item.data[:, 1] = 0
    return item


def not_a_number(item):
    item.data[-1, 0, 0] = np.nan
    return item


def clipped(scan_, part):
    """The scan by a receiver whose limit is a part of the greatest sample."""
    xml, items = scan_
    limit = part * max(float(np.abs(item.data.view(np.float32)).max()) for item in items)

    def clip(item):
        item.data.view(np.float32).clip(-limit, limit, out=item.data.view(np.float32))
        return item

    return changed((xml, items), clip)


def truth(lines, columns=32, acceleration=1, **rest):
    """The same scan without acceleration, or changes."""
    return scan(columns=columns, lines=lines, acceleration=acceleration, coils=8, **rest)


def image_of(server, scan_):
    answer, images = send(server, said(CHAIN, scan_))
    assert not answer.error, answer.error
    return images[0], answer.texts


def pixels(image):
    return image.data[0, 0].numpy() / float(image.meta["ScansideScale"])


def agree(image, full):
    one, other = pixels(image), pixels(full)
    assert one.shape == other.shape
    assert np.linalg.norm(one - other) < 0.15 * np.linalg.norm(other)


@pytest.mark.parametrize(
    ("lines", "columns", "acceleration"), [(64, 32, 3), (63, 31, 2), (61, 33, 4)], ids=["R3", "odd", "prime"]
)
def test_an_r_that_does_not_divide_an_odd_matrix_gives_a_true_image(server, lines, columns, acceleration):
    some = truth(lines, columns, acceleration, reference_lines=24)
    agree(image_of(server, some)[0], image_of(server, truth(lines, columns))[0])


def test_a_dead_coil_is_told_and_the_image_is_true(server):
    some = changed(truth(64, acceleration=2, reference_lines=24), dead, noise=True)
    image, texts = image_of(server, some)
    assert any("dead" in text for text in texts)
    assert image.meta["ScansideNoiseDeadChannels"]
    agree(image, image_of(server, changed(truth(64), dead, noise=True))[0])


def test_a_saturated_readout_is_told_and_stands_in_the_images_meta(server):
    some = truth(64, acceleration=2, reference_lines=24)
    image, texts = image_of(server, clipped(some, 0.5))
    assert any("is saturated in line k1 = " in text for text in texts)
    assert int(image.meta["ScansideSaturated"]) == 2
    image, texts = image_of(server, some)
    assert "ScansideSaturated" not in image.meta
    assert not any("saturated" in text for text in texts)


CASES = {
    "no reference lines": (without_reference, "no reference lines for slice 0|missing"),
    "not a number": (not_a_number, "not finite"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_reconstructed_is_an_error_that_says_why(server, name):
    change, expected = CASES[name]
    answer, images = send(server, said(CHAIN, changed(truth(64, acceleration=3, reference_lines=24), change)))
    assert re.search(expected, answer.error), answer.error
    assert not images


def test_a_matrix_that_changes_between_slices_is_an_error_and_costs_no_image_before(server):
    xml, items = truth(32, acceleration=2, slices=2)
    parts = list(items[:-1])
    for number in (0, 1):
        rows = items[-1].head["idx"]["slice"] == number
        head, data = items[-1].head[rows].copy(), items[-1].data[rows]
        if number:
            head["number_of_samples"], head["center_sample"], data = 32, 16, data[..., 16:48].copy()
        parts.append(replace(items[-1], head=head, data=data))
    answer, images = send(server, said(CHAIN, (xml, parts)))
    assert "samples" in answer.error, answer.error
    assert {int(image.head["slice"]) for image in images} <= {0}
