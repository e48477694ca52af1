"""Acceleration along both axes: lattices, CAIPIRINHA shifts, and the noise of what is made from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.arrays import to_kspace
from gadgets.data import Kspace, Reference
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD
from gadgets.recon.grappa import Grappa
from gadgets.recon.grappa.steps import Steps, find, lattices
from gadgets.scan import Encoding, Limit, Scan, Space

COILS, DEPTH, HEIGHT, WIDTH = 8, 24, 32, 16
CALIBRATED = 16


def grid():
    sizes = (DEPTH, HEIGHT, WIDTH)
    return torch.meshgrid(*((torch.arange(size) - size // 2) / size for size in sizes), indexing="ij")


@pytest.fixture(scope="module")
def volume():
    """An ellipsoid seen by coils around it, [coil, z, y, x], and the maps of unit norm."""
    z, y, x = grid()
    body = 50.0 * ((z / 0.4) ** 2 + (y / 0.42) ** 2 + (x / 0.4) ** 2 < 1)
    maps = []
    for coil in range(COILS):
        angle, side = math.pi * coil / 2, 0.4 if coil < COILS // 2 else -0.4
        away = (z - side) ** 2 + (y - 0.6 * math.sin(angle)) ** 2 + (x - 0.6 * math.cos(angle)) ** 2
        maps.append(torch.polar(torch.exp(-away / 0.5), angle + 2 * math.cos(angle) * y + 2 * side * z))
    maps = torch.stack(maps)
    maps = maps / torch.linalg.vector_norm(maps, dim=0)
    return body * maps, maps


def scan(acceleration):
    space = Space(matrix=(WIDTH, HEIGHT, DEPTH), fov=(WIDTH * 1e-3, HEIGHT * 1e-3, DEPTH * 1e-3))
    limits = {
        "kspace_encode_step_1": Limit(maximum=HEIGHT - 1, center=HEIGHT // 2),
        "kspace_encode_step_2": Limit(maximum=DEPTH - 1, center=DEPTH // 2),
    }
    encoding = Encoding(
        encoded=space, recon=space, limits=limits, acceleration=acceleration, calibration="embedded"
    )
    return Scan(encodings=(encoding,))


def pattern(steps, start=(0, 0), kept=CALIBRATED):
    sampled = steps.mask((DEPTH, HEIGHT), start).int()
    if kept:
        sampled[DEPTH // 2 - kept // 2 :][:kept, HEIGHT // 2 - kept // 2 :][:, :kept] = 1
    return sampled


def items(lines, sampled, notes=None):
    first = (DEPTH // 2 - CALIBRATED // 2, HEIGHT // 2 - CALIBRATED // 2)
    box = lines[:, first[0] : first[0] + CALIBRATED, first[1] : first[1] + CALIBRATED]
    yield Reference(
        data=box, first=first, shape=(DEPTH, HEIGHT, WIDTH), encoding=0, slice=0, notes=notes or {}
    )
    yield kspace(lines, sampled)


def kspace(lines, sampled):
    return Kspace(
        data=torch.where(sampled[..., None] > 0, lines, 0)[None, None, None],
        sampled=sampled[None, None, None],
        head=np.zeros((1, 1, 1), READOUT_HEAD),
        encoding=0,
    )


CASES = {
    "2x2": ((2, 2), Steps(2, 2)),
    "2x2 shifted along k1": ((2, 2), Steps(2, 2, 1)),
    "2x2 shifted along k2": ((2, 2), Steps(1, 4, 2)),
    "1x2": ((1, 2), Steps(2, 1)),
    "2x1": ((2, 1), Steps(1, 2)),
    "1x3 shifted": ((1, 3), Steps(1, 3, 1)),
}
cases = pytest.mark.parametrize(("acceleration", "steps"), CASES.values(), ids=CASES)


@cases
@pytest.mark.parametrize("start", [(0, 0), (1, 1)])
def test_the_lattice_is_found_in_the_lines(acceleration, steps, start):
    found, home = find(pattern(steps, start) > 0, acceleration)
    assert found == steps
    assert torch.equal(found.mask((DEPTH, HEIGHT), home), steps.mask((DEPTH, HEIGHT), start))


def test_there_are_as_many_lattices_as_the_divisors_add_up_to():
    assert [len(list(lattices((total, 1)))) for total in (1, 2, 3, 4, 6)] == [1, 3, 4, 7, 12]
    shape = (12, 12)
    assert all(int(steps.mask(shape, (0, 0)).sum()) * 4 == 144 for steps in lattices((2, 2)))


@cases
@pytest.mark.parametrize("kept", [0, CALIBRATED])
def test_without_noise_the_missing_lines_come_back(volume, acceleration, steps, kept):
    images, _ = volume
    lines = to_kspace(images, (-3, -2, -1))
    gadget = Grappa(regularization=1e-5, kernel=(5, 4, 4))
    _, image = gadget.process(items(lines, pattern(steps, (1, 0), kept)), scan(acceleration))
    found = image.data / image.notes["ScansideScale"]
    assert float(torch.linalg.vector_norm(found - images) / torch.linalg.vector_norm(images)) < 0.06


@cases
@pytest.mark.parametrize("put_back", [True, False])
def test_the_noise_map_is_that_of_pseudo_replicas(volume, white, acceleration, steps, put_back):
    images, maps = volume
    lines, weights = to_kspace(images, (-3, -2, -1)) + white(COILS, DEPTH, HEIGHT, WIDTH), maps.conj()

    def stream():
        reference, first = items(lines, pattern(steps), {"ScansideNoise": "scan"})
        yield reference
        for _ in range(24):
            yield replace(first, data=kspace(white(COILS, DEPTH, HEIGHT, WIDTH), pattern(steps)).data)

    _, *found = Grappa(put_back=put_back).process(stream(), scan(acceleration))
    combined = torch.stack([(weights * image.data).sum(0) for image in found])
    ratio = (combined.abs().square().mean(0) / 2).sqrt() / found[0].noise.sd(weights)
    assert float(ratio.square().mean().sqrt()) == pytest.approx(1, abs=0.01)
    blocks = ratio.reshape(3, 8, 4, 8, 2, 8).square().mean((1, 3, 5)).sqrt()
    assert float((blocks - 1).abs().max()) < 0.03


def test_lines_that_form_no_lattice_are_refused(volume, white):
    lines = white(COILS, DEPTH, HEIGHT, WIDTH)
    sampled = torch.zeros(DEPTH, HEIGHT, dtype=torch.int32)
    generator = np.random.default_rng(0)
    for k2 in range(DEPTH):
        sampled[k2, int(generator.integers(4)) :: 4] = 1
    with pytest.raises(DataError, match="GRAPPA needs lines on a lattice"):
        list(Grappa().process(items(lines, sampled), scan((4, 1))))


def test_a_2_x_2_scan_says_how_many_reference_lines_it_needs(white):
    lines = white(COILS, DEPTH, HEIGHT, WIDTH)
    reference, image = items(lines, pattern(Steps(2, 2)))
    with pytest.raises(DataError, match=r"needs 3 x 5 reference lines \(k1 x k2\) at R = 4, got 16 x 2"):
        list(Grappa().process(iter([replace(reference, data=reference.data[:, :2]), image]), scan((2, 2))))
