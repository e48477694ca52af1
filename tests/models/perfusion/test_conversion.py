"""Tables of the closed form and of the Bloch equations, as the chain uses them."""

import math
from dataclasses import replace

import pytest
import torch

from models.kinetics.concentration import Readout, enhanced
from models.kinetics.inputs import first_pass
from models.perfusion.arterial import arterial
from models.perfusion.protocol import Protocol

PROTOCOL = Protocol(
    arterial=Readout(
        flip=math.radians(8), flip_density=math.radians(8), repetition=0.00212, delay=0.0047, pulse=9
    ),
    muscle=Readout(
        flip=math.radians(14), flip_density=math.radians(5), repetition=0.0027, delay=0.0376, pulse=18
    ),
    echo_times=(0.76e-3,),
    t1_blood=2.0,
    t1_muscle=1.3,
    relaxivity=4.9188,
    t2_blood=0.25,
    t2_muscle=0.045,
    relaxivity_t2=5.9133,
)
CASES = {"blood": (PROTOCOL.blood, 5.0), "muscle": (PROTOCOL.tissue, 3.0)}


@pytest.mark.parametrize("efficiency", [0.95, 1.0])
@pytest.mark.parametrize("which", CASES)
def test_both_forms_read_the_same_concentration(which, efficiency):
    """Behind the baseline that both take away; within 0.15 mM."""
    make, most = CASES[which]
    truth = torch.linspace(0, most, 51, dtype=torch.float64)
    bloch, closed = make("bloch"), make("closed")
    signal = bloch.ratio(enhanced(bloch.t1, truth, bloch.r1), efficiency)
    found = {}
    for each in (bloch, closed):
        held = each.table(each.efficiency(float(signal[0])), 8.0)(signal)
        found[each.form] = held - held[0]
    assert (found["bloch"] - truth).abs().max() < 2e-3
    assert (found["closed"] - found["bloch"]).abs().max() < 0.15


@pytest.mark.parametrize("form", ["closed", "bloch"])
def test_a_table_reads_the_saturation_from_a_baseline(form):
    for make, _ in CASES.values():
        conversion = make(form)
        base = float(conversion.ratio(torch.tensor([conversion.t1], dtype=torch.float64), 0.96))
        assert conversion.efficiency(base) == pytest.approx(0.96, abs=2e-3)


def test_the_arterial_input_is_that_of_the_form_that_made_the_signal():
    times = 0.85 * torch.arange(60, dtype=torch.float64)
    blood = first_pass(times, 8.0)
    bloch = PROTOCOL.blood("bloch")
    signal = 3.7 * bloch.ratio(enhanced(bloch.t1, blood, bloch.r1), 0.98)[None]
    density = torch.tensor([3.7], dtype=torch.float64)
    found = arterial(signal, density, times, PROTOCOL, "bloch")
    assert (found.blood - blood).abs().max() < 0.01
    other = arterial(signal, density, times, PROTOCOL)
    assert 0.01 < (other.blood - blood).abs().max() < 0.15


def test_t2_counts_with_the_bloch_equations_alone():
    t1 = torch.tensor([0.3], dtype=torch.float64)
    short = replace(PROTOCOL, t2_muscle=0.02)
    assert short.tissue("closed").ratio(t1, 1.0) == PROTOCOL.tissue("closed").ratio(t1, 1.0)
    assert short.tissue("bloch").ratio(t1, 1.0) != PROTOCOL.tissue("bloch").ratio(t1, 1.0)
