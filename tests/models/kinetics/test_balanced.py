"""A balanced train after saturation, against the Bloch equations integrated in three dimensions."""

import math
from dataclasses import replace

import pytest
import torch

from models.kinetics.bloch import balanced, flash
from models.kinetics.concentration import Readout, enhanced
from models.perfusion.protocol import NATIVE, NATIVE_T2, Protocol
from models.simulation import signal

SSFP = Readout(
    flip=math.radians(50), flip_density=math.radians(5), repetition=2.6e-3, delay=17e-3, pulse=24, ramp=3
)
R1, R2 = 5.565, 5.78


def protocol(readout):
    arterial = replace(readout, ramp=None)
    return Protocol(
        muscle=readout,
        arterial=arterial,
        echo_times=(1e-3,),
        t1_blood=NATIVE[1.5][0],
        t1_muscle=NATIVE[1.5][1],
        relaxivity=R1,
        t2_blood=NATIVE_T2[1.5][0],
        t2_muscle=NATIVE_T2[1.5][1],
        relaxivity_t2=R2,
    )


def integrated(t1, t2, readout, efficiency=1.0, frequency=0.0):
    """Echo of pulse ``readout.pulse``: [x, y, z, 1] by matrix exponentials, pulses about x and -x in turn."""

    def free(duration):
        rates = torch.zeros(4, 4, dtype=torch.float64)
        rates[0, 0] = rates[1, 1] = -1 / t2
        rates[0, 1], rates[1, 0] = 2 * math.pi * frequency, -2 * math.pi * frequency
        rates[2, 2], rates[2, 3] = -1 / t1, 1 / t1
        return torch.linalg.matrix_exp(rates * duration)

    def pulse(angle):
        turn = torch.zeros(4, 4, dtype=torch.float64)
        turn[1, 2], turn[2, 1] = angle, -angle
        return torch.linalg.matrix_exp(turn)

    state = torch.tensor([0.0, 0.0, 1 - efficiency, 1.0], dtype=torch.float64)
    state = free(readout.delay) @ state
    half = free(readout.repetition / 2)
    angles = [readout.flip * (2 * k + 1) / (2 * readout.ramp) for k in range(readout.ramp)]
    angles += [readout.flip] * (readout.pulse + 1)
    signed = [angle * (-1) ** number for number, angle in enumerate(angles)]
    turns = {angle: pulse(angle) for angle in set(signed)}
    for angle in signed:
        state = half @ turns[angle] @ state
        echo = math.hypot(float(state[0]), float(state[1]))
        state = half @ state
    return echo


@pytest.mark.parametrize("pulse", [0, 1, 24])
@pytest.mark.parametrize("ramp", [1, 3, 5])
def test_each_echo_is_that_of_the_bloch_equations(pulse, ramp):
    readout = replace(SSFP, pulse=pulse, ramp=ramp)
    t1 = torch.tensor([1.1, 0.3, 0.1], dtype=torch.float64)
    t2 = torch.tensor([0.045, 0.040, 0.030], dtype=torch.float64)
    found = balanced(
        t1,
        t2,
        flip=readout.flip,
        repetition=readout.repetition,
        pulses=pulse + 1,
        ramp=ramp,
        start=1 - 0.97 * torch.exp(-readout.delay / t1),
    )
    expected = [integrated(float(a), float(b), readout, 0.97) for a, b in zip(t1, t2, strict=True)]
    assert found.shape == (3, pulse + 1)
    assert found[:, -1].tolist() == pytest.approx(expected, rel=1e-9)


def test_a_long_train_ends_in_the_steady_state_of_freeman_and_hill():
    t1, t2 = (torch.tensor([each], dtype=torch.float64) for each in (0.3, 0.05))
    last = balanced(
        t1, t2, flip=0.9, repetition=3e-3, pulses=800, ramp=3, start=torch.zeros(1, dtype=torch.float64)
    )[:, -1]
    steady = signal.balanced(t1, t2, torch.ones(1), flip=0.9, repetition=3e-3, frequency=0 * t1).abs()
    assert float(last) == pytest.approx(float(steady), rel=1e-4)


@pytest.mark.parametrize("pulse", [0, 24], ids=["centric", "linear"])
@pytest.mark.parametrize("efficiency", [0.95, 1.0])
def test_the_table_reads_concentrations_within_its_range(pulse, efficiency):
    """Within 0.15 mM of muscle with up to 3 mM, behind the baseline."""
    readout = replace(SSFP, pulse=pulse)
    conversion = protocol(readout).tissue("closed")
    assert conversion.form == "bloch"
    truth = torch.linspace(0, 3, 13, dtype=torch.float64)
    t1, t2 = enhanced(conversion.t1, truth, R1), 1 / (1 / conversion.t2 + R2 * truth)
    bright = [integrated(float(a), float(b), readout, efficiency) for a, b in zip(t1, t2, strict=True)]
    one = torch.ones(1, dtype=torch.float64)
    dark = flash(
        one * conversion.t1,
        one * conversion.t2,
        flip=readout.flip_density,
        repetition=readout.repetition,
        pulses=pulse + 1,
        start=one,
    )
    ratio = torch.tensor(bright, dtype=torch.float64) / dark
    table = conversion.table(conversion.efficiency(float(ratio[0])), 10.0)
    assert not table.beyond(ratio).any()
    found = table(ratio)
    assert (found - found[0] - truth).abs().max() < 0.15


def test_the_signal_of_much_agent_falls_again_and_the_table_ends_there():
    """T2 shortens as well: beyond the table's end a signal belongs to two concentrations."""
    conversion = protocol(SSFP).tissue("bloch")
    table = conversion.table(1.0, 40.0)
    end = float(table.concentration[-1])
    assert 4.0 < end < 40.0
    later = conversion.ratio(enhanced(conversion.t1, torch.tensor([end + 2]), R1), 1.0)
    assert float(later) < float(table.signal[-1])


def test_there_is_no_closed_form_of_it():
    with pytest.raises(ValueError, match="no closed form"):
        SSFP.ratio(torch.ones(1), 1.1)
