"""Prescan-normalise lines: the shading of the receive coils, divided out of a series of its own."""

import dataclasses

import numpy as np
import pytest
import torch

from gadgets.arrays import root_sum_of_squares, to_kspace
from gadgets.data import Image, SurfaceCoil, Text
from gadgets.head import IMAGE_HEAD
from gadgets.image.normalize import Normalize
from gadgets.scan import Scan
from gadgets.testing import cartesian, readouts
from tests.endtoend.scans import offline
from tests.endtoend.scans import scan as simulated

SIZE, LOW = 48, 24
"""Points of the image and of the prescan, along y and x."""

TURN = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32)


def body(y, x):
    """Of two kinds of tissue, so that an image alone cannot tell its shading."""
    inside = ((y / 20) ** 2 + (x / 18) ** 2 < 1).float()
    return inside * (1 + 1.5 * (x > 2).float())


def coils(y, x, centres):
    """Sensitivities at places [mm], complex64 [coil, y, x]."""
    maps = [torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 1500) * np.exp(1j * number)
            for number, (cy, cx) in enumerate(centres)]  # fmt: skip
    return torch.stack(maps).to(torch.complex64)


ARRAY = [(-25, 0), (-20, 15), (-18, -16)]


def grid(size, fov, turn=None, offset=(0, 0)):
    """(y, x) [mm] of the scanner of the pixels of a matrix that may be turned."""
    steps = (torch.arange(size) - size // 2) * (fov / size)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    (y, x) = (y, x) if turn is None else (x, -y)
    return y + offset[0], x + offset[1]


def lines(images, turn, offset):
    """The readouts that measure images [coil, y, x], as flag-29 lines of encoding space 1."""
    block = readouts(to_kspace(images, (-2, -1))[:, None].numpy(), np.arange(images.shape[-2]), encoding=1)
    head = block.head.copy()
    head["flags"] = int(SurfaceCoil.flags)
    head["position"] = (offset[1], offset[0], 0)
    if turn is not None:
        head["read_dir"], head["phase_dir"], head["slice_dir"] = turn
    return SurfaceCoil(head=head, data=block.data)


@pytest.fixture
def scan():
    one, two = cartesian((SIZE, SIZE, 1)).encodings[0], cartesian((LOW, LOW, 1)).encodings[0]
    wide = dataclasses.replace(two.encoded, fov=(0.072, 0.072, 0.01))
    return Scan(encodings=(one, dataclasses.replace(two, encoded=wide, recon=wide)))


@pytest.fixture
def item():
    """An image shaded by the array, and the shading itself."""
    y, x = grid(SIZE, SIZE)
    shade = root_sum_of_squares(coils(y, x, ARRAY))
    head = np.zeros((), IMAGE_HEAD)
    head["field_of_view"] = (SIZE, SIZE, 5)
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
    image = (body(y, x) * shade).to(torch.complex64)[None, None]
    return Image(data=image, head=head), shade, body(y, x)


def prescan(turn=None, offset=(0.0, 0.0), bodies=True):
    y, x = grid(LOW, 72, turn, offset)
    seen = [coils(y, x, ARRAY) * body(y, x)]
    seen += [(3 * body(y, x)).to(torch.complex64)[None]] if bodies else []
    return [lines(images, turn, offset) for images in seen]


def found(items, scan):
    answers = list(Normalize().process(items, scan))
    return {each.role: each for each in answers if isinstance(each, Image)}, [
        each.text for each in answers if isinstance(each, Text)
    ]


@pytest.mark.parametrize(
    ("turn", "offset"),
    [(None, (0.0, 0.0)), (None, (4.0, -3.0)), (TURN, (2.0, 1.0))],
    ids=["as it is", "moved", "turned"],
)
def test_the_shading_is_that_of_the_receive_coils_wherever_the_prescan_lies(scan, item, turn, offset):
    image, shade, tissue = item
    answers, texts = found([*prescan(turn, offset), image], scan)
    assert not texts
    assert answers["image"] is image
    assert answers["bias"].meta["ScansideBias"] == answers["normalized"].meta["ScansideBias"] == "prescan"
    inside = tissue > 0
    ratio = (answers["bias"].data[0, 0] / shade)[inside]
    assert float(ratio.std() / ratio.mean()) < 0.05
    assert float(answers["bias"].data[0, 0][inside].mean()) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(answers["normalized"].data * answers["bias"].data, image.data)
    flat = answers["normalized"].data[0, 0].abs()[inside] / tissue[inside]
    own = found([image], scan)[0]["normalized"].data[0, 0].abs()[inside] / tissue[inside]
    assert float(flat.std() / flat.mean()) < 0.25 * float(own.std() / own.mean())


def test_without_the_body_coil_the_receive_coils_alone_count(scan, item):
    image, shade, tissue = item
    answers, _ = found([*prescan(bodies=False), image], scan)
    assert answers["bias"].meta["ScansideBias"] == "prescan"
    assert (
        float(torch.corrcoef(torch.stack([answers["bias"].data[0, 0][tissue > 0], shade[tissue > 0]]))[0, 1])
        > 0.4
    )


def test_a_prescan_elsewhere_or_none_leaves_it_to_the_image(scan, item):
    image, *_ = item
    for items in ([image], [*prescan(offset=(100.0, 0.0)), image]):
        answers, _ = found(items, scan)
        assert answers["bias"].meta["ScansideBias"] == "image"


def test_lines_that_cannot_be_laid_are_told_and_cost_no_image(scan, item):
    image, *_ = item
    twice = prescan()
    answers, texts = found([*twice, twice[0], image], scan)
    assert set(answers) == {"image", "bias", "normalized"}
    assert "prescan-normalise lines are not used" in texts[0]


def test_a_chain_hands_prescan_lines_on_to_where_they_are_used():
    xml, items = simulated(lines=32, columns=32, coils=4, slices=1)
    noise, imaging = items[0], items[1:]
    flag = np.uint64(int(SurfaceCoil.flags))
    before = [dataclasses.replace(each, head=each.head.copy(), data=each.data.copy()) for each in imaging]
    for each in before:
        each.head["flags"] = flag
    images = offline("cartesian_normalized", (xml, [noise, *before, *imaging]))
    assert {each.meta.get("ScansideBias") for each in images if each.role == "bias"} == {"prescan"}
    (plain,) = [each for each in offline("cartesian_grappa", (xml, items)) if each.role == "image"]
    (same,) = [each for each in images if each.role == "image"]
    assert torch.equal(same.data, plain.data)
