"""Interpolation and the landmarks of boluses that are known."""

import torch

from models.kinetics.inputs import first_pass
from models.perfusion.curves import STEP, bolus, grid, interpolation


def beats(count=60, seed=0):
    random = torch.Generator().manual_seed(seed)
    return (0.8 + 0.1 * torch.rand(count, generator=random, dtype=torch.float64)).cumsum(0)


def test_parabolas_are_interpolated_exactly_between_uneven_samples():
    times = beats()
    moments = grid(times, 0.5)[3:-3]
    found = interpolation(times, moments) @ (3 + 2 * times - 0.1 * times**2)
    assert torch.allclose(found, 3 + 2 * moments - 0.1 * moments**2, atol=1e-9)


def test_a_first_pass_between_heartbeats_is_right_within_half_a_percent():
    times = beats()
    moments = grid(times)
    found = interpolation(times, moments) @ first_pass(times, 8.0)
    assert (found - first_pass(moments, 8.0)).abs().max() < 0.005 * 4.5 * 2


def test_foot_peak_and_valley_of_a_first_pass_lie_where_they_are():
    moments = STEP * torch.arange(600, dtype=torch.float64)
    found = bolus(first_pass(moments, 8.0))
    assert abs(found.peak * STEP - 12.5) <= 0.2
    assert 8.0 <= found.foot * STEP <= 9.5
    assert 20 <= found.valley * STEP <= 28
    assert abs(found.baseline) < 0.05


def test_heartbeats_a_second_apart_lose_no_more_than_a_third_of_it():
    for start in (8.0, 8.3, 8.6):
        fine = STEP * torch.arange(600, dtype=torch.float64)
        true, times = bolus(first_pass(fine, start)), 1.1 * beats(50, seed=3)
        found = bolus(interpolation(times, grid(times)) @ first_pass(times, start))
        for mark in ("foot", "peak"):
            seen = float(times[0]) + STEP * getattr(found, mark)
            assert abs(seen - STEP * getattr(true, mark)) < 0.33


def test_a_flat_curve_has_no_height():
    noise = torch.randn(100, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = bolus(noise)
    assert found.height < 8 * found.noise or found.foot == 0
