"""EPI: ramp sampling, reversed lines, the N/2 ghost, against simulated echo trains with a known truth."""

import dataclasses

import numpy as np
import pytest
import torch

from gadgets.data import Block, Kspace, PhaseCorrection, Text
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.readout.epi import CorrectEpi, RegridEpi
from gadgets.readout.epi.ghost import polynomial
from gadgets.readout.epi.regrid import profiles
from gadgets.readout.epi.trapezoid import Trapezoid, trapezoid
from gadgets.scan import Encoding, Scan, Space
from gadgets.testing import cut_at_random, join

GRADIENT = {"rampUpTime": 160, "flatTopTime": 240, "rampDownTime": 160, "acqDelayTime": 32, "dwellTime": 3.1}


def encoding(parameters=None, matrix=160, pixels=80, **fields):
    encoded = Space(matrix=(matrix, 32, 1), fov=(2e-3 * pixels, 0.064, 5e-3))
    recon = Space(matrix=(pixels, 32, 1), fov=(1e-3 * pixels, 0.064, 5e-3))
    described = {"description": "ConventionalEPI", "trajectory_parameters": parameters} if parameters else {}
    return Encoding(encoded=encoded, recon=recon, trajectory="epi", **described, **fields)


def test_samples_lie_where_the_area_of_the_gradient_puts_them():
    gradient = Trapezoid(up=100, flat=200, down=100, delay=0, dwell=1, samples=400)
    k = gradient.positions(400)
    time = torch.arange(400, dtype=torch.float64) + 0.5
    wave = torch.minimum(torch.minimum(time / 100, (400 - time) / 100), torch.ones(()))
    expected = (wave.cumsum(0) - wave / 2 - wave.sum() / 2) * 400 / wave.sum()
    torch.testing.assert_close(k, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(k, -k.flip(0))


def test_without_ramps_samples_are_even():
    k = Trapezoid(up=0, flat=100, down=0, delay=0, dwell=1, samples=100).positions(100)
    torch.testing.assert_close(k.diff(), torch.ones(99, dtype=torch.float64))


@pytest.mark.parametrize("change", [{"dwellTime": 0}, {"dwellTime": 4}, {"flatTopTime": -1}])
def test_times_that_make_no_echo_are_refused(change):
    with pytest.raises(DataError, match="gradient"):
        trapezoid(encoding(GRADIENT | change), 160)


def test_a_delay_that_does_not_fit_is_that_of_a_balanced_echo():
    assert trapezoid(encoding(GRADIENT | {"acqDelayTime": 100}), 160).delay == pytest.approx(32)


def test_the_profile_is_that_of_the_object_and_its_noise_is_white(white):
    k = trapezoid(encoding(GRADIENT), 160).positions(160)
    operator = profiles(k, 160, 80)
    grid = torch.arange(160, dtype=torch.float64) - 80
    truth = torch.zeros(160, dtype=torch.float64)
    truth[50:110] = torch.hann_window(60, dtype=torch.float64)
    waves = torch.exp(-2j * torch.pi / 160 * torch.outer(k, grid))
    found = operator.to(torch.complex128) @ (waves @ truth.to(waves.dtype))
    found = found * (truth[40:120].sum() / found.sum())
    assert float((found - truth[40:120]).abs().max()) < 0.01
    power = operator.abs().square().sum(1)
    assert float(power.mean()) == pytest.approx(1)
    assert float(power.std()) < 0.02


def test_a_polynomial_survives_wraps_of_the_phase():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    phase = 2.5 + 9 * x + 0.4 * x**2
    found = polynomial(torch.polar(torch.hann_window(101, dtype=torch.float64), phase), 2)
    turns = (found - phase) / (2 * torch.pi)
    assert float((turns - turns.round()).abs().max()) < 1e-3


def shot(readouts, white, phase, drift=0.0, order=("navigator",) * 3 + ("line",) * 6, lines=1.0):
    """An echo train over x whose reversed echoes have ``phase`` more, and the block of its true lines."""
    truth = np.asarray(white(len(order), 2, 32)[:1].repeat(len(order), 1, 1)) * lines
    number = np.arange(len(order)) - order.count("navigator")
    back = number % 2 != 0
    turned = truth * np.exp(1j * (np.where(back, 0.5, -0.5)[:, None, None] * phase))
    turned = turned * np.exp(1j * drift * number)[:, None, None]
    flags = np.where(back, int(Flag.REVERSE), 0)
    aside = order.count("navigator")
    navigators = readouts(
        turned[:aside], kind=PhaseCorrection, flags=flags[:aside] | int(Flag.PHASE_CORRECTION)
    )
    block = readouts(turned[aside:], flags=flags[aside:])
    return dataclasses.replace(navigators, transformed=True), over_x(block), truth[aside:]


def over_x(block):
    return dataclasses.replace(block, transformed=True)


@pytest.mark.parametrize("drift", [0.0, 0.1])
def test_forward_and_reversed_lines_get_one_phase(readouts, white, drift):
    phase = 0.7 + np.linspace(-2, 2, 32)
    navigators, block, truth = shot(readouts, white, phase, drift)
    (out,) = CorrectEpi().process([navigators, block], Scan(encodings=(encoding(),)))
    np.testing.assert_allclose(out.data, truth, atol=2e-3 * abs(truth).max())
    assert not (out.head["flags"] & np.uint64(Flag.REVERSE)).any()
    assert out.notes["ScansideEpi"] == "corrected"


def test_each_shot_has_its_own_correction_wherever_blocks_are_cut(readouts, white):
    scan = Scan(encodings=(encoding(),))
    first = shot(readouts, white, 0.5 + np.linspace(-1, 1, 32), 0.05)
    second = shot(readouts, white, -0.8 + np.linspace(0.5, -0.5, 32), -0.1)
    whole = join(CorrectEpi().process([first[0], first[1], second[0], second[1]], scan))
    pieces = [
        item
        for navigators, block, _ in (first, second)
        for item in (navigators, *map(over_x, cut_at_random(block, 3)))
    ]
    found = np.concatenate([out.data for out in CorrectEpi().process(pieces, scan)])
    assert np.array_equal(found, whole.data)
    np.testing.assert_allclose(whole.data[6:], second[2], atol=2e-3 * abs(second[2]).max())


def test_lines_without_reference_echoes_pass_with_a_warning(readouts, white):
    _, block, _ = shot(readouts, white, 0.3)
    text, out = CorrectEpi().process([block], Scan(encodings=(encoding(),)))
    assert isinstance(text, Text)
    assert "ghosts stay" in text.text
    assert np.array_equal(out.data, block.data)
    assert out.notes["ScansideEpi"] == "uncorrected"


def test_lines_over_k0_are_refused(readouts, white):
    block = readouts(np.asarray(white(2, 2, 160)))
    with pytest.raises(DataError, match="put RegridEpi before"):
        list(CorrectEpi().process([block], Scan(encodings=(encoding(),))))


def test_other_encoding_spaces_pass(readouts, white):
    block = readouts(np.asarray(white(2, 2, 16)))
    scan = Scan(encodings=(dataclasses.replace(encoding(), trajectory="cartesian"),))
    assert list(RegridEpi().process([block], scan)) == [block]
    assert list(CorrectEpi().process([block], scan)) == [block]
    assert not isinstance(block, Kspace)
    assert isinstance(block, Block)
