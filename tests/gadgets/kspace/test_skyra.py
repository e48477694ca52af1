"""A clinical scan: R = 3, 106 of 144 lines about line 54, 48 embedded reference lines."""

import os
from pathlib import Path

import numpy as np
import pytest

from gadgets.data import Block
from gadgets.head import READOUT_HEAD, Flag
from gadgets.kspace.accumulate import Accumulate
from gadgets.testing import cartesian, cut

FILE = "mrd/skyra14_noise_grappa3.h5"


@pytest.fixture(scope="module")
def block():
    h5py = pytest.importorskip("h5py")
    beside = Path(__file__).parents[4] / "shared" / "data"
    path = Path(os.environ.get("SCANSIDE_DATA", beside)) / FILE
    if not path.exists():
        pytest.skip(f"no {FILE} in SCANSIDE_DATA or {beside}")
    with h5py.File(path) as file:
        recorded = file["dataset/data"][1:]
    head = np.zeros(len(recorded), READOUT_HEAD)
    head["flags"] = recorded["head"]["flags"]
    for name in ("kspace_encode_step_1", "slice", "average", "repetition"):
        head["idx"][name] = recorded["head"]["idx"][name]
    data = np.stack([line.view(np.complex64).reshape(14, 384) for line in recorded["data"]])
    assert not (head["flags"] & np.uint64(int(Flag.NOISE_MEASUREMENT))).any()
    return Block(head=head, data=data)


def test_its_reference_leaves_ten_lines_before_its_image(block):
    limits = {"kspace_encode_step_1": (0, 105, 54), "average": (0, 0, 0)}
    parameters = {"EmbeddedRefLinesE1": 48}
    scan = cartesian(
        (384, 144, 1), limits=limits, acceleration=(3, 1), calibration="embedded", parameters=parameters
    )
    received = 0

    def stream():
        nonlocal received
        for part in cut(block, range(len(block.head))):
            received += 1
            yield part

    left = [(received, item) for item in Accumulate().process(stream(), scan)]
    (early, reference), (late, image) = left
    assert (early, late) == (58, 68)
    assert (reference.first, reference.data.shape) == ((0, 48), (14, 1, 48, 384))
    lines = np.flatnonzero(image.sampled[0, 0, 0, 0].numpy())
    assert lines.tolist() == sorted({*range(18, 124, 3), *range(48, 96)})
    assert image.head["idx"]["kspace_encode_step_1"].item() == 54
