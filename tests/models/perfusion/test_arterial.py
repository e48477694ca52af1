"""The arterial input back from signals that its own equations make."""

from dataclasses import replace

import torch

from models.kinetics.concentration import Readout, enhanced
from models.kinetics.inputs import first_pass
from models.perfusion.arterial import arterial, corrected
from models.perfusion.protocol import Protocol

ARTERIAL = Readout(flip=0.14, flip_density=0.14, repetition=2.12e-3, delay=5e-3, pulse=12)
PROTOCOL = Protocol(
    muscle=replace(ARTERIAL, delay=0.03),
    arterial=ARTERIAL,
    echo_times=(0.76e-3, 1.76e-3),
    t1_blood=2.0,
    t1_muscle=1.3,
    relaxivity=4.9188,
    t2_blood=0.25,
    t2_muscle=0.045,
    relaxivity_t2=5.9133,
)
TIMES = 0.85 * torch.arange(60, dtype=torch.float64)
DECAY = 16.0
"""r2* of blood [1 / (mM s)]."""


def signals(blood, efficiency=1.0):
    """Both echoes [echo, frame] and proton density [echo], of a coil that is 3.7 strong."""
    ratio = ARTERIAL.ratio(enhanced(2.0, blood, 4.9188), 2.0, efficiency)
    echoes = torch.stack([3.7 * ratio * torch.exp(-te * DECAY * blood) for te in PROTOCOL.echo_times])
    return echoes, torch.full((2,), 3.7, dtype=torch.float64)


def test_the_concentration_comes_back_through_decay_and_saturation():
    blood = first_pass(TIMES, 8.0)
    found = arterial(*signals(blood), TIMES, PROTOCOL)
    assert (found.blood - blood).abs().max() < 0.03
    assert found.reasons == ()


def test_an_incomplete_saturation_is_read_from_the_baseline():
    blood = first_pass(TIMES, 8.0)
    found = arterial(*signals(blood, efficiency=0.95), TIMES, PROTOCOL)
    assert abs(found.efficiency - 0.95) < 0.01
    assert (found.blood - blood).abs().max() < 0.05


def test_decay_between_the_echoes_is_measured():
    blood = first_pass(TIMES, 8.0)
    _, r2star = corrected(*signals(blood), PROTOCOL.echo_times)
    assert torch.allclose(r2star, DECAY * blood, atol=1e-6)


def test_no_bolus_is_refused():
    random = torch.Generator().manual_seed(0)
    blood = (0.02 * torch.randn(60, generator=random, dtype=torch.float64)).abs()
    assert any("arterial peak" in reason for reason in arterial(*signals(blood), TIMES, PROTOCOL).reasons)


def test_a_signal_beyond_the_table_is_called_saturated():
    echoes, density = signals(first_pass(TIMES, 8.0))
    found = arterial(1.9 * echoes, density, TIMES, PROTOCOL)
    assert any("saturated" in reason for reason in found.reasons)


def test_a_bolus_in_the_first_frames_leaves_no_baseline():
    blood = first_pass(TIMES, -3.0)
    assert arterial(*signals(blood), TIMES, PROTOCOL).reasons
