"""The noise of a SENSE image behind linear steps, against the whole linear map from samples to pixels."""

import dataclasses

import pytest
import torch

from gadgets.data import CoilMaps
from gadgets.image.filter import KspaceFilter
from gadgets.image.partial_fourier import PartialFourier
from gadgets.image.resize import Resize
from gadgets.recon.sense import Sense
from gadgets.scan import Limit, Scan, Space

COILS = 3
COLUMNS, LINES = 4, 12


@pytest.fixture
def maps(white):
    """Rough ones of unit norm, so that nothing but the exact answer will do."""

    def make(shape):
        maps = white(COILS, *shape)
        return maps / torch.linalg.vector_norm(maps, dim=0)

    return make


def behind(images, steps, scan):
    for step in steps:
        images = step.process(images, scan)
    return images


def said_and_true(phantom, maps, sampled, scan, steps):
    """The map that is sent, and the root of the sum of squares over all samples' parts in each pixel."""
    sense, some = Sense(gfactor=True), CoilMaps(data=maps[None], encoding=0, slice=0)
    there = torch.nonzero(sampled)
    columns = maps.shape[-1]
    inputs = [
        (coil, *line, k0) for coil in range(len(maps)) for line in there.tolist() for k0 in range(columns)
    ]
    item = phantom.kspace(torch.zeros(COILS, *sampled.shape[1:], columns), sampled[0])

    def items():
        yield some
        for place in inputs:
            data = torch.zeros(1, 1, 1, *maps.shape, dtype=torch.complex64)
            data[(0, 0, 0, *place)] = 1
            yield dataclasses.replace(item, data=data, sampled=sampled[None, None, None])

    total, said = 0.0, None
    for image in behind(sense.process(items(), scan), steps, scan):
        if image.role == "gfactor":
            said = image.data[0]
        else:
            total = total + image.data[0].abs().double().square()
    return said, total.sqrt().float()


def resized(scan, matrix, crop=1.0):
    encoding = scan.encodings[0]
    x, y, z = encoding.encoded.fov
    recon = Space(matrix=matrix, fov=(crop * x, y, z))
    return Scan(encodings=(dataclasses.replace(encoding, recon=recon),))


STEPS = {
    "none": [],
    "gaussian": [KspaceFilter(sigma=1.5)],
    "elliptical": [KspaceFilter(shape="tapered", width=0.5, elliptical=True)],
    "along x": [KspaceFilter(shape="hanning", axes="x")],
    "cropped": [Resize()],
    "resized": [Resize(), KspaceFilter(shape="hanning", elliptical=True)],
    "partial Fourier": [PartialFourier(method="filter"), Resize()],
}


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        *(("lattice", name) for name in STEPS),
        *((lines, name) for lines in ("scattered", "window", "planes") for name in ("elliptical", "resized")),
        ("window", "partial Fourier"),
        ("planes", "cropped"),
    ],
)
def test_the_map_is_that_of_the_whole_linear_map(phantom, maps, lines, name):
    """Unfolded, solved column by column, on a window of fewer lines, and in 3D with a CAIPIRINHA shift."""
    phantom = dataclasses.replace(phantom, width=COLUMNS, height=LINES, coils=COILS)
    scan, sampled = phantom.scan(2), phantom.pattern(2)[None]
    if lines == "scattered":
        sampled = phantom.pattern(2, 4)[None]
    if lines == "window":
        limit = Limit(minimum=0, maximum=8, center=3)
        scan = phantom.scan(2, limits={"kspace_encode_step_1": limit})
        sampled = sampled.clone()
        sampled[:, :3] = 0
    if lines == "planes":
        space = Space(matrix=(COLUMNS, LINES, 4), fov=(4e-3, 12e-3, 4e-3))
        scan = phantom.scan((2, 2), encoded=space, recon=space)
        sampled = torch.zeros(4, LINES, dtype=torch.int32)
        sampled[0, ::2] = sampled[2, 1::2] = 1
    depth = sampled.shape[0] + 2 * (lines == "planes")
    scan = resized(scan, (3, 10, depth), 0.75) if name == "cropped" else resized(scan, (6, 10, depth))
    shape = (sampled.shape[0], LINES, COLUMNS)
    said, true = said_and_true(phantom, maps(shape), sampled, scan, STEPS[name])
    torch.testing.assert_close(said, true, rtol=2e-3, atol=2e-3)


def test_the_map_is_zero_where_there_are_no_coil_maps(phantom, maps):
    phantom = dataclasses.replace(phantom, width=COLUMNS, height=LINES, coils=COILS)
    some = maps((1, LINES, COLUMNS))
    some[:, :, :4] = 0
    for sampled in (phantom.pattern(2), phantom.pattern(2, 4)):
        said, true = said_and_true(phantom, some, sampled[None], phantom.scan(2), [])
        assert not said[:, :4].any()
        torch.testing.assert_close(said, true, rtol=2e-3, atol=2e-3)
