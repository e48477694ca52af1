"""A real brain, fully sampled by 8 coils, undersampled afterwards: errors against the full scan."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.data import Reference
from gadgets.image.combine import Combine
from gadgets.image.filter import KspaceFilter
from gadgets.recon.grappa import Grappa

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[4] / "shared" / "data"))
FILE = DATA / "cartesian" / "brain8_full.cfl"
LINES = 24

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE}: set SCANSIDE_DATA")


@pytest.fixture
def brain(phantom):
    lines = torch.from_numpy(np.fromfile(FILE, np.complex64).reshape(8, 180, 230))
    return type(phantom)(coils=8, height=180, width=230), lines / lines.abs().mean()


def reconstruct(brain, acceleration, *, put_back, filtered):
    scanner, lines = brain
    sampled = scanner.pattern(acceleration, LINES, offset=90 % acceleration)
    items = [scanner.reference(lines, LINES), scanner.kspace(lines, sampled)]
    assert isinstance(items[0], Reference)
    scan = scanner.scan(acceleration)
    combine = Combine(method="adaptive" if filtered else "rss")
    (image,) = combine.process(Grappa(put_back=put_back).process(iter(items), scan), scan)
    return (KspaceFilter().one(image, scan) if filtered else image).data.abs()


def nrmse(image, truth):
    image = image * (image * truth).sum() / image.square().sum()
    return float(torch.linalg.vector_norm(image - truth) / torch.linalg.vector_norm(truth))


@pytest.mark.parametrize(
    ("acceleration", "gadgetron", "unfiltered"), [(2, 0.0297, 0.0346), (3, 0.0559, 0.06), (4, 0.1369, 0.084)]
)
def test_undersampled_images_are_as_near_the_full_scan_as_gadgetrons(
    brain, acceleration, gadgetron, unfiltered
):
    full = reconstruct(brain, 1, put_back=True, filtered=True)
    made, kept = (
        nrmse(reconstruct(brain, acceleration, put_back=choice, filtered=True), full)
        for choice in (False, True)
    )
    assert kept < made < 1.02 * gadgetron
    full = reconstruct(brain, 1, put_back=True, filtered=False)
    assert nrmse(reconstruct(brain, acceleration, put_back=True, filtered=False), full) < unfiltered
