import math

import pytest
import torch

from models.kinetics.btex import Btex
from models.kinetics.compartments import (
    ExtendedTofts,
    Patlak,
    Tofts,
    TwoCompartmentExchange,
    TwoCompartmentUptake,
)
from models.kinetics.fermi import Fermi
from models.kinetics.fit import Problem, fit, fit_delay
from models.kinetics.inputs import first_pass
from models.kinetics.pde import Capillary
from models.kinetics.quadrature import repeated
from models.kinetics.response import tissue, weights

STEP = 0.5
TIMES = STEP * torch.arange(121, dtype=torch.float64)
ARTERIAL = first_pass(TIMES)

EXAMPLES = {
    "btex": (Btex(), (3 / 60, 1 / 60, 0.05, 0.15)),
    "fermi": (Fermi(), (2 / 60, 0.25, 0.25)),
    "tofts": (Tofts(), (0.2 / 60, 0.3)),
    "extended tofts": (ExtendedTofts(), (0.1 / 60, 0.2, 0.03)),
    "patlak": (Patlak(), (0.05 / 60, 0.1)),
    "uptake": (TwoCompartmentUptake(), (0.25 / 60, 0.01 / 60, 0.05)),
    "exchange": (TwoCompartmentExchange(), (1.5 / 60, 0.8 / 60, 0.06, 0.2)),
}

each_model = pytest.mark.parametrize(("model", "values"), EXAMPLES.values(), ids=EXAMPLES)


def rows(*values):
    return torch.tensor([values], dtype=torch.float64)


def test_repeated_integrals_of_a_cosine_are_those_of_calculus():
    bounds = torch.linspace(0, 7, 15, dtype=torch.float64)[None]
    thrice = repeated(torch.cos, bounds, order=3)
    assert torch.allclose(thrice, bounds - torch.sin(bounds), atol=1e-10)


@each_model
def test_what_comes_later_by_a_delay_is_the_same_curve_later(model, values):
    whole = tissue(model, rows(*values), ARTERIAL, STEP)
    later = tissue(model, rows(*values), ARTERIAL, STEP, torch.tensor([3 * STEP]))
    assert torch.allclose(later[:, 3:], whole[:, :-3], atol=1e-12)


@each_model
def test_a_curve_does_not_depend_on_how_finely_a_piecewise_linear_input_is_sampled(model, values):
    fine = torch.nn.functional.interpolate(
        ARTERIAL[None, None], size=5 * (len(ARTERIAL) - 1) + 1, mode="linear", align_corners=True
    )[0, 0]
    delay = torch.tensor([0.7])
    coarse = tissue(model, rows(*values), ARTERIAL, STEP, delay)
    assert torch.allclose(tissue(model, rows(*values), fine, STEP / 5, delay)[:, ::5], coarse, atol=1e-9)


@each_model
def test_a_tissue_that_gives_nothing_back_early_holds_what_flowed_in(model, values):
    """Early on every model with a flow holds flow times the integral of the input."""
    if isinstance(model, ExtendedTofts | Patlak):
        pytest.skip("holds a part of the plasma itself at once")
    step = 1e-3
    ramp = step * torch.arange(4, dtype=torch.float64)
    held = tissue(model, rows(*values), ramp, step)[0]
    assert float(held[-1]) == pytest.approx(values[0] * float(ramp[-1]) ** 2 / 2, rel=5e-3)


def test_after_long_a_constant_input_fills_plasma_and_interstitium():
    values = EXAMPLES["btex"][1]
    constant = torch.full((1201,), 2.0, dtype=torch.float64)
    for model in (Btex(), TwoCompartmentExchange()):
        held = tissue(model, rows(*values), constant, STEP)[0, -1]
        assert float(held) == pytest.approx(2.0 * (values[2] + values[3]), rel=1e-3)


@pytest.mark.parametrize("flow", [0.4, 1.0, 3.0, 5.0])
def test_the_closed_form_is_the_solution_of_the_differential_equation(flow):
    values = (flow / 60, 1.0 / 60, 0.06, 0.2)
    exact = Capillary(
        flow=values[0], ps=values[1], vp=values[2], ve=values[3], diffusion=(0.0, 0.0), cells=60
    )
    solved = exact.curve(ARTERIAL, STEP)
    closed = tissue(Btex(), rows(*values), ARTERIAL, STEP)[0]
    assert float((closed - solved).abs().max() / solved.max()) < 5e-4


def test_axial_diffusion_keeps_the_amount_that_came_in_while_nothing_leaves():
    slow = Capillary(flow=0.1 / 60, ps=0.5 / 60, vp=0.08, ve=0.2)
    held = slow.curve(ARTERIAL[:41], STEP)
    came = 0.1 / 60 * torch.trapezoid(ARTERIAL[:41], dx=STEP)
    assert float(held[-1]) == pytest.approx(float(came), rel=1e-3)


def test_exchange_without_return_is_uptake_and_without_leak_is_one_compartment():
    flow, vp = 0.5 / 60, 0.06
    uptake = tissue(TwoCompartmentUptake(), rows(flow, 0.1 / 60, vp), ARTERIAL, STEP)
    exchange = tissue(TwoCompartmentExchange(), rows(flow, 0.1 / 60, vp, 1e9), ARTERIAL, STEP)
    assert torch.allclose(uptake, exchange, rtol=1e-6, atol=1e-9)
    alone = tissue(TwoCompartmentExchange(), rows(flow, 1e-12, vp, 0.2), ARTERIAL, STEP)
    assert torch.allclose(alone, tissue(Tofts(), rows(flow, vp), ARTERIAL, STEP), atol=1e-9)


def test_weights_of_an_input_of_nothing_but_plasma_are_the_input():
    only = weights(Patlak(), rows(1e-15, 0.1), 5, STEP)
    assert torch.allclose(only, rows(0.1, 0, 0, 0, 0), atol=1e-12)


LOW = torch.tensor([0.1 / 60, 0.1 / 60, 0.01, 0.03], dtype=torch.float64)
HIGH = torch.tensor([8 / 60, 5 / 60, 0.2, 0.6], dtype=torch.float64)


def drawn(count, seed):
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(count, 4, generator=generator, dtype=torch.float64)
    low = torch.tensor([0.5 / 60, 0.5 / 60, 0.04, 0.12], dtype=torch.float64)
    high = torch.tensor([4.5 / 60, 2.5 / 60, 0.1, 0.4], dtype=torch.float64)
    return low + share * (high - low)


def problem(model=None):
    return Problem(model=model or Btex(), arterial=ARTERIAL, step=STEP, low=LOW, high=HIGH)


@pytest.mark.parametrize("model", [Btex(), TwoCompartmentExchange()])
def test_a_curve_without_noise_gives_back_its_parameters(model):
    truth = drawn(20, seed=3)
    curves = tissue(model, truth, ARTERIAL, STEP)
    start = torch.tensor([1.5 / 60, 1 / 60, 0.06, 0.2], dtype=torch.float64).expand(20, -1)
    found = fit(problem(model), curves, start, torch.zeros(20, dtype=torch.float64))
    assert float((found.parameters / truth - 1).abs().max()) < 0.01


def test_the_delay_is_found_outside_the_local_fit():
    truth, delay = drawn(6, seed=5), torch.full((6,), 1.5, dtype=torch.float64)
    curves = tissue(Btex(), truth, ARTERIAL, STEP, delay)
    found = fit_delay(problem(), curves, truth * 1.2, torch.arange(0, 3, 0.5))
    assert torch.equal(found.delay, delay)
    assert float((found.parameters / truth - 1).abs().max()) < 0.01


def test_standard_errors_are_those_of_repeated_fits():
    truth = drawn(1, seed=8).expand(100, -1)
    generator = torch.Generator().manual_seed(1)
    clean = tissue(Btex(), truth[:1], ARTERIAL, STEP)
    noise = 0.001 * torch.randn(100, len(TIMES), generator=generator, dtype=torch.float64)
    found = fit(problem(), clean + noise, truth, torch.zeros(100, dtype=torch.float64))
    inside = ~found.at_bound.any(1)
    spread = found.parameters[inside, 0].std()
    assert float(spread / found.sd[inside, 0].median()) == pytest.approx(1.0, abs=0.25)


def test_no_parameter_leaves_its_bounds():
    curves = tissue(Btex(), rows(9 / 60, 6 / 60, 0.3, 0.8), ARTERIAL, STEP)
    found = fit(problem(), curves, LOW[None] * 2, torch.zeros(1, dtype=torch.float64))
    assert bool((found.parameters >= LOW * (1 - 1e-9)).all())
    assert bool((found.parameters <= HIGH * (1 + 1e-9)).all())
    assert bool(found.at_bound.any())
    assert math.isinf(float(found.sd[found.at_bound][0]))
