import math

import pytest
import torch

from models.simulation.signal import balanced, saturated, spoiled
from models.simulation.tissue import Tissue, properties

T1, T2 = torch.tensor([1.0, 0.3]), torch.tensor([0.05, 0.04])
ONE = torch.ones(2)


def rotation(axis, angle):
    """A rotation about x or z."""
    cos, sin = math.cos(angle), math.sin(angle)
    if axis == "x":
        return torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
    return torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=torch.float64)


def simulated(t1, t2, flip, repetition, frequency, pulses=3000):
    """Bloch's equations, pulse by pulse with alternating sign, read in the middle of the repetition."""
    half = repetition / 2
    turn = rotation("z", 2 * math.pi * frequency * half)
    decay = torch.diag(torch.tensor([math.exp(-half / t2)] * 2 + [math.exp(-half / t1)], dtype=torch.float64))
    grow = torch.tensor([0, 0, 1 - math.exp(-half / t1)], dtype=torch.float64)
    state = torch.tensor([0, 0, 1.0], dtype=torch.float64)
    for number in range(pulses):
        state = rotation("x", flip if number % 2 else -flip) @ state
        state = decay @ turn @ state + grow
        echo = math.hypot(float(state[0]), float(state[1]))
        state = decay @ turn @ state + grow
    return echo


@pytest.mark.parametrize("frequency", [0.0, 40.0, 120.0, 160.0])
def test_balanced_steady_state_is_that_of_bloch(frequency):
    found = balanced(T1, T2, ONE, flip=0.8, repetition=0.003, frequency=frequency).abs()
    for index in range(2):
        expected = simulated(float(T1[index]), float(T2[index]), 0.8, 0.003, frequency)
        assert float(found[index]) == pytest.approx(expected, rel=2e-3)


def test_balanced_signal_has_bands_at_half_a_turn_per_repetition():
    profile = balanced(
        T1[:1], T2[:1], ONE[:1], flip=0.8, repetition=0.004, frequency=torch.tensor([0.0, 125.0])
    )
    assert abs(profile[1]) < 0.1 * abs(profile[0])


def test_spoiled_signal_is_largest_at_the_ernst_angle():
    best = math.acos(math.exp(-0.005 / 1.0))
    angles = torch.linspace(0.5 * best, 1.5 * best, 201)
    signal = spoiled(T1[:1], ONE[:1], flip=angles, repetition=0.005)
    assert float(angles[signal.argmax()]) == pytest.approx(best, rel=0.01)


def test_saturation_recovery_is_the_pulse_by_pulse_sum():
    flip, repetition, delay, efficiency = 0.2, 0.003, 0.08, 0.97
    z = 1 - efficiency * torch.exp(-delay / T1)
    for pulse in range(30):
        found = saturated(
            T1,
            ONE,
            flip=flip,
            repetition=repetition,
            delay=delay,
            pulse=torch.tensor(float(pulse)),
            efficiency=efficiency,
        )
        torch.testing.assert_close(found, z * math.sin(flip), rtol=1e-4, atol=1e-6)
        z = 1 - (1 - z * math.cos(flip)) * torch.exp(-repetition / T1)


def test_after_many_pulses_saturation_is_forgotten():
    late = saturated(T1, ONE, flip=0.2, repetition=0.003, delay=0.08, pulse=torch.tensor(2000.0))
    torch.testing.assert_close(late, spoiled(T1, ONE, flip=0.2, repetition=0.003))


def test_tissues_lie_between_the_fields_and_vary_with_the_person():
    low, middle, high = (properties(field).t1[Tissue.MYOCARDIUM] for field in (1.5, 2.25, 3.0))
    assert float(middle) == pytest.approx(float(low + high) / 2)
    people = [properties(1.5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(people[0].t1, people[1].t1)
    assert not torch.equal(people[0].t1, people[2].t1)
    assert people[2].t1[Tissue.MYOCARDIUM] == people[2].t1[Tissue.RIGHT_WALL]
    assert bool((people[2].t2 <= people[2].t1).all())
