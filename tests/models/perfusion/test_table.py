"""A table's curves: their basis, what lies between nodes, and fits of many at once."""

import pytest
import torch

from models.kinetics.btex import Btex
from models.kinetics.inputs import first_pass
from models.kinetics.response import tissue
from models.perfusion.curves import interpolation
from models.perfusion.fit import fit_all
from models.perfusion.table import ROWS, answer, make_table

STEP = 0.5
KNOTS = STEP * torch.arange(100, dtype=torch.float64)
MOMENTS = 0.3 + 0.85 * torch.arange(50, dtype=torch.float64)
DELAYS = torch.arange(-0.5, 2.0, 0.25, dtype=torch.float64)
RANGES = [(0.01, 0.08, 7), (0.01, 0.04, 4), (0.03, 0.12, 5), (0.1, 0.3, 4)]


@pytest.fixture(scope="module")
def answers():
    table = make_table(Btex(), RANGES, len(KNOTS), STEP)
    return answer(table, first_pass(KNOTS), 0.0, MOMENTS, DELAYS)


def drawn(answers, count):
    """Delays (indices) and places anywhere in the table."""
    random = torch.Generator().manual_seed(0)
    last = torch.tensor([axis[2] - 1.0 for axis in RANGES])
    return torch.randint(len(answers.delays), (count,), generator=random), last * torch.rand(
        count, len(RANGES), generator=random
    )


def test_curves_of_all_nodes_at_all_delays_lie_in_the_basis(answers):
    held = tissue(Btex(), answers.table.nodes, first_pass(KNOTS), STEP)
    for delay, data in zip(answers.delays, answers.data, strict=True):
        later = MOMENTS - delay
        true = held @ (interpolation(KNOTS, later) * (later >= 0)[:, None]).mT
        assert (data.double() @ answers.basis.mT - true).abs().max() < 3e-3 * true.max()


def test_slopes_are_what_curves_change_by(answers):
    delay, place = drawn(answers, 40)
    place = place.floor().minimum(torch.tensor([axis[2] - 2.0 for axis in RANGES])) + 0.5
    _, slopes = answers.at(delay, place)
    for each in range(place.shape[1]):
        way = 0.05 * torch.eye(place.shape[1])[each]
        change = answers.at(delay, place + way)[0] - answers.at(delay, place - way)[0]
        assert torch.allclose(slopes[:, :, each], change / 0.1, atol=2e-3 * float(slopes.abs().max()))


def test_a_curve_is_the_same_among_many(answers):
    delay, place = drawn(answers, ROWS + 30)
    curves, slopes = answers.at(delay, place)
    for each in (0, ROWS - 1, ROWS, ROWS + 29):
        curve, slope = answers.at(delay[each : each + 1], place[each : each + 1])
        assert torch.allclose(curve[0], curves[each], atol=1e-6)
        assert torch.allclose(slope[0], slopes[each], atol=1e-6)


def test_a_fit_is_the_same_among_many(answers):
    delay, place = drawn(answers, 12)
    curves = answers.at(delay, place)[0].double() @ answers.basis.mT
    together = fit_all(answers, curves)
    for each in range(len(curves)):
        alone = fit_all(answers, curves[each : each + 1])
        assert torch.allclose(alone.parameters[0, 0], together.parameters[each, 0], rtol=1e-3)
        assert torch.allclose(alone.delay[0], together.delay[each], atol=1e-3)
