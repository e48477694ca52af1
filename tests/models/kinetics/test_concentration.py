import csv
import math
import os
from pathlib import Path

import pytest
import torch

from models.kinetics.bloch import flash
from models.kinetics.blood import (
    blood_flow_ml_min_g,
    blood_volume_ml_g,
    permeability_ml_min_g,
    plasma,
    plasma_flow,
)
from models.kinetics.btex import Btex
from models.kinetics.concentration import Readout, enhanced, look_up, spgr
from models.kinetics.inputs import first_pass
from models.kinetics.response import tissue

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "dce"
R1, R2 = 4.9188, 5.9133
BLOOD = 2.0, 0.250
MUSCLE = 1.3, 0.045

ARTERY = Readout(
    flip=math.radians(8), flip_density=math.radians(8), repetition=0.00212, delay=0.0047, pulse=9
)
HEART = Readout(
    flip=math.radians(14), flip_density=math.radians(5), repetition=0.0027, delay=0.0376, pulse=18
)


def bloch(readout, tissues, concentration):
    """The ratio of signals by the Bloch equations."""
    t1, t2 = tissues
    t2_now = 1 / (1 / t2 + R2 * concentration)
    return readout.bloch_ratio(enhanced(t1, concentration, R1), t2_now, tissues)


CASES = [(ARTERY, BLOOD, 10.0), (HEART, MUSCLE, 3.0)]


@pytest.mark.parametrize(("readout", "tissues", "most"), CASES, ids=["artery", "muscle"])
def test_the_closed_form_reads_what_the_bloch_equations_made(readout, tissues, most):
    """Within 0.15 mM up to 5 mM; above, imperfect spoiling of the proton-density frames costs up to 3 %."""
    truth = torch.linspace(0, most, 41, dtype=torch.float64)
    table = look_up(lambda t1: readout.ratio(t1, tissues[0]), tissues[0], R1, most + 1)
    error = (table(bloch(readout, tissues, truth)) - truth).abs()
    assert bool((error < torch.clamp(0.03 * truth, min=0.15)).all())


@pytest.mark.parametrize(("readout", "tissues", "most"), CASES, ids=["artery", "muscle"])
def test_a_table_of_the_bloch_equations_reads_what_they_made(readout, tissues, most):
    truth = torch.linspace(0, most, 41, dtype=torch.float64)

    def ratio(t1):
        concentration = (1 / t1 - 1 / tissues[0]) / R1
        return readout.bloch_ratio(t1, 1 / (1 / tissues[1] + R2 * concentration.clamp(min=0)), tissues)

    table = look_up(ratio, tissues[0], R1, most + 1, step=0.1)
    assert float((table(bloch(readout, tissues, truth)) - truth).abs().max()) < 0.15


def test_the_table_inverts_its_own_signal_and_knows_its_end():
    table = look_up(lambda t1: ARTERY.ratio(t1, BLOOD[0]), BLOOD[0], R1)
    truth = torch.linspace(0, 9.9, 57, dtype=torch.float64)
    signal = ARTERY.ratio(enhanced(BLOOD[0], truth, R1), BLOOD[0])
    assert torch.allclose(table(signal), truth, atol=1e-3)
    assert not table.beyond(signal).any()
    assert bool(table.beyond(signal[-1:] * 1.1).all())


def test_the_mean_of_a_noisy_baseline_is_zero():
    table = look_up(lambda t1: HEART.ratio(t1, MUSCLE[0]), MUSCLE[0], R1)
    rest = HEART.ratio(torch.tensor([MUSCLE[0]]), MUSCLE[0])
    noise = 0.002 * torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert abs(float(table(rest + noise).mean())) < 0.01


def test_one_pulse_tips_what_is_there():
    one = torch.ones(1, dtype=torch.float64)
    signal = flash(one, 0.1 * one, flip=0.3, repetition=0.003, pulses=1, start=0.4 * one)
    assert float(signal) == pytest.approx(0.4 * math.sin(0.3))


def test_a_spoiled_train_ends_in_ernsts_steady_state():
    t1, t2 = (torch.tensor([each], dtype=torch.float64) for each in (0.8, 0.03))
    found = flash(t1, t2, flip=math.radians(6), repetition=0.01, pulses=600, start=torch.ones(1))
    e1 = math.exp(-0.01 / 0.8)
    ernst = math.sin(math.radians(6)) * (1 - e1) / (1 - math.cos(math.radians(6)) * e1)
    assert float(found) == pytest.approx(ernst, rel=0.05)


def test_flow_in_blood_terms_comes_back_and_haematocrit_and_density_count_once():
    assert blood_flow_ml_min_g(plasma_flow(2.5, 0.42), 0.42) == pytest.approx(2.5)
    assert plasma_flow(1.0, 0.0) == pytest.approx(1.05 / 60)
    assert blood_volume_ml_g(0.06, 0.4) == pytest.approx(0.06 / 0.6 / 1.05)
    assert permeability_ml_min_g(1.05 / 60) == pytest.approx(1.0)


def test_a_curve_in_plasma_terms_is_the_same_whatever_the_haematocrit():
    """Doubling the plasma's share halves its concentration: the tissue holds what the blood brought."""
    times = 0.5 * torch.arange(81, dtype=torch.float64)
    blood = first_pass(times)
    held = []
    for haematocrit in (0.0, 0.42):
        flow = plasma_flow(2.0, haematocrit)
        values = torch.tensor([[flow, 1e-9, 0.06 * (1 - haematocrit), 0.2]], dtype=torch.float64)
        scale = plasma(1.0, haematocrit)
        held.append(tissue(Btex(), values, scale * blood, 0.5))
    assert torch.allclose(held[0], held[1], atol=1e-6)


@pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}: set SCANSIDE_DATA")
def test_osipis_concentrations_of_a_spoiled_gradient_echo():
    with (DATA / "SI2Conc_data.csv").open(encoding="utf-8-sig") as file:
        for case in csv.DictReader(file):
            signal, truth = (
                torch.tensor([float(each) for each in case[name].split()], dtype=torch.float64)
                for name in ("s", "conc")
            )
            found = spgr(
                signal,
                flip=math.radians(float(case["FA"])),
                repetition=float(case["TR"]),
                t1=float(case["T1base"]),
                relaxivity=float(case["r1"]),
                baseline=slice(1, int(case["numbaselinepts"])),
            )
            assert torch.allclose(found, truth, atol=1e-9)
