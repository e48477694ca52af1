"""Blood pools that are drawn, and series that hold none."""

import torch

from models.kinetics.inputs import gamma_variate
from models.perfusion.pools import find_pools, purest

TIMES = 0.8 * torch.arange(60, dtype=torch.float64)
PIXEL = 0.003


def disc(y, x, radius):
    rows, columns = torch.meshgrid(torch.arange(64) - float(y), torch.arange(64) - float(x), indexing="ij")
    return (rows.square() + columns.square()).sqrt() < radius


LEFT = disc(32, 40, 8)
RIGHT = disc(32, 20, 9) & ~disc(32, 40, 13)


def series(left, right, seed=0):
    random = torch.Generator().manual_seed(seed)
    frames = 0.1 + LEFT * left[:, None, None] + RIGHT * right[:, None, None]
    return (frames + 0.02 * torch.randn(frames.shape, generator=random)).float()


def dice(a, b):
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_both_pools_are_found_and_the_right_one_comes_first():
    found = find_pools(
        series(gamma_variate(TIMES, 14.0, 3, 1.5), gamma_variate(TIMES, 8.0, 3, 1.0)), TIMES, PIXEL
    )
    assert found.reasons == ()
    assert dice(found.left, LEFT) > 0.9
    assert dice(found.right, RIGHT) > 0.85
    assert 3 < found.arrival[1] - found.arrival[0] < 9
    assert (purest(series(*[gamma_variate(TIMES, 14.0, 3, 1.5)] * 2), LEFT) & ~LEFT).sum() == 0


def test_nothing_but_noise_is_refused():
    assert find_pools(series(torch.zeros(60), torch.zeros(60)), TIMES, PIXEL).reasons


def test_blood_that_only_fluctuates_is_no_bolus():
    slow = 1 + 0.15 * torch.sin(TIMES / 5)
    assert find_pools(series(slow, slow.roll(8)), TIMES, PIXEL).reasons


def test_a_left_ventricle_that_comes_with_the_right_one_is_refused_or_is_not_both():
    same = gamma_variate(TIMES, 10.0, 3, 1.5)
    found = find_pools(series(same, same), TIMES, PIXEL)
    assert found.reasons or not found.right.any()
