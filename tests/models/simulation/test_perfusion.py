import math
from dataclasses import replace

import pytest
import torch

from models.kinetics.bloch import flash
from models.kinetics.inputs import gamma_variate
from models.perfusion.conversion import Conversion
from models.simulation.perfusion.acquire import camera, simulate_perfusion
from models.simulation.perfusion.appearance import look, picture, strengths
from models.simulation.perfusion.flow import HEALTHY, SECTORS, Flow
from models.simulation.perfusion.plan import plan_perfusion
from models.simulation.perfusion.scene import MUSCLE, scene, segmented
from models.simulation.perfusion.sequence import standard
from models.simulation.perfusion.series import make_series
from models.simulation.perfusion.study import STEP, draw_study
from models.simulation.tissue import Tissue

SMALL = standard(matrix=(96, 72), acceleration=2, slices=1, beats=30)


def healthy_flow():
    """Sixteen sectors that are all healthy."""
    names = ("mbf", "ps", "vb", "visf", "delay")
    return Flow(**{name: getattr(HEALTHY, name).repeat(SECTORS) for name in names})


@pytest.fixture(scope="module")
def healthy():
    return replace(draw_study(3, sequence=SMALL, breath=0.0), flow=healthy_flow())


@pytest.mark.parametrize("generator", ["btex", "pde", "2cxm"])
def test_area_over_area_of_the_input_is_the_volume_of_distribution(generator):
    time = torch.arange(240, dtype=torch.float64) * 0.5
    blood = gamma_variate(time, 5.0, 3.0, 1.5)
    held = HEALTHY.curves(blood, 0.5, generator)[0]
    _, _, vp, ve = HEALTHY.parameters()[0].tolist()
    area = blood.sum() / (1 - HEALTHY.haematocrit)
    assert float(held.sum() / area) == pytest.approx(vp + ve, rel=0.01)


def test_what_flows_in_stays_until_the_capillary_is_crossed():
    time = torch.arange(160, dtype=torch.float64) * 0.05
    blood = (time - 2).clamp(min=0) ** 2 / 100
    held = HEALTHY.curves(blood, 0.05)[0]
    rate = HEALTHY.parameters()[0, 0] / (1 - HEALTHY.haematocrit)
    entered = rate * torch.nn.functional.pad(torch.cumulative_trapezoid(blood, dx=0.05), (17, 0))[:160]
    early = (time > 2.8) & (time < 2.8 + 2.4)
    torch.testing.assert_close(
        held[early], entered[early], rtol=1e-6, atol=1e-4 * float(entered[early].max())
    )
    assert (held[-20:] < entered[-20:]).all()


def test_flow_reaches_plasma_terms_once():
    flow, ps, vp, ve = HEALTHY.parameters()[0].tolist()
    assert flow == pytest.approx(3.0 * 1.05 * 0.58 / 60)
    assert ps == pytest.approx(1.3 * 1.05 / 60)
    assert vp == pytest.approx(0.12 * 1.05 * 0.58)
    assert ve == pytest.approx(0.20 * 1.05)


@pytest.mark.parametrize("pulse", [0, 17, 47])
def test_signal_of_each_pulse_is_that_of_bloch(pulse):
    train = standard().muscle
    t1 = torch.tensor([0.1, 0.4, 1.3], dtype=torch.float64)
    found = train.signal(t1, t1, torch.ones_like(t1), 0.97)[:, pulse]
    start = 1 - 0.97 * torch.exp(-train.delay / t1)
    expected = flash(
        t1,
        torch.full_like(t1, 0.04),
        flip=train.flip,
        repetition=train.spacing,
        pulses=pulse + 1,
        start=start,
    )
    torch.testing.assert_close(found, expected, rtol=0.04, atol=2e-3)


def test_contrast_to_noise_is_the_peak_enhancement_of_healthy_muscle(healthy):
    clean, noisy = make_series(healthy, box=48), make_series(healthy, cnr=12.0, box=48)
    muscle = clean.truth.reference[0] == MUSCLE
    curve = clean.images[0].abs()[:, muscle].mean(1)
    noise = (noisy.images - clean.images)[0]
    assert float(noise.real.std()) == pytest.approx(noisy.noise_sd, rel=0.02)
    assert float((curve.max() - curve[:3].mean()) / noise.real.std()) == pytest.approx(12.0, rel=0.12)


def test_the_signal_inverts_to_the_true_concentration(healthy):
    eyes, train = look(healthy), healthy.sequence.muscle
    own = replace(healthy, efficiency=1.0)
    time = float(healthy.waves[20])
    signal = replace(eyes, study=own).bright(train, time)[1:3, -1, train.center].mean()
    relaxed = 1 / (1 / eyes.t1[-1] + 4.9188 * eyes.concentration(time)[-1])
    expected = train.signal(relaxed, relaxed, torch.tensor(1.0, dtype=torch.float64), 1.0)[train.center]
    decay = math.exp(-train.echoes[0] * (30 + 5.9133 * float(eyes.concentration(time)[-1])))
    assert float(signal) == pytest.approx(float(expected * eyes.density[-1]) * decay, rel=5e-3)


def test_a_balanced_slice_inverts_to_the_true_concentration_with_its_own_times():
    study = draw_study(2, sequence=standard(slices=1, beats=30, field=1.5, readout="bssfp"))
    eyes, train = look(study), study.sequence.muscle
    time = float(study.waves[20])
    held = float(eyes.concentration(time)[-1])
    signal = eyes.bright(train, time)[..., -1, train.center]
    at_one = float(
        (strengths(torch.ones(1, 1, dtype=torch.float64))[:, 0, 0] * signal).sum() / eyes.density[-1]
    )
    own = Conversion(
        readout=train.readout, t1=float(eyes.t1[-1]), t2=float(eyes.t2[-1]), r1=5.565, r2=5.78, form="bloch"
    )
    dark = float(train.density(eyes.t1[-1:], torch.ones(1), torch.ones(1))[0, train.center])
    assert held > 0.3
    assert float(own.table(study.efficiency, 8.0)(torch.tensor([at_one / dark]))) == pytest.approx(
        held, abs=0.02
    )


def test_a_run_up_comes_between_saturation_and_the_first_line():
    sequence = standard(readout="bssfp", field=1.5)
    train = sequence.muscle
    assert train.first == pytest.approx(train.delay + 3 * train.spacing)
    assert sequence.middle(1) - sequence.middle(0) == pytest.approx(train.duration + sequence.pause)
    lines = plan_perfusion(draw_study(2, sequence=sequence))
    imaging = lines[lines["imaging"] & ~lines["artery"] & (lines["slice"] == 0) & (lines["repetition"] == 0)]
    assert imaging["since"][0] == pytest.approx(sequence.since(0) + train.first)


def test_the_first_density_image_is_in_equilibrium_and_flowing_blood_always_is(healthy):
    eyes = look(healthy)
    ready = eyes.ready(healthy.sequence.muscle, healthy.times(0)[:3])
    assert (ready[0] == 1).all()
    assert (ready[1][:, -1] < 0.99).all()
    assert (ready[2][:, 11] == 1).all()


def test_sectors_share_the_muscle_and_begin_at_the_anterior_insertion():
    study = draw_study(11, breath=0.0, beats=2)
    truth = make_series(study, box=72).truth
    assert sorted(truth.sectors.unique().tolist()) == list(range(17))
    assert ((truth.sectors > 0) == (truth.reference == MUSCLE)).all()
    for index in range(3):
        anterior, inferior = truth.insertion[index]
        assert anterior[0] < truth.center[index, 0] < inferior[0]
        assert anterior[1] < truth.center[index, 1]
        around = truth.sectors[index][int(anterior[0]) - 2 : int(anterior[0]) + 6]
        near = set(around[:, int(anterior[1]) - 4 : int(anterior[1]) + 5].unique().tolist()) - {0}
        expected = ({1, 2}, {7, 8}, {13, 14})[index]
        assert near == expected or (index == 2 and near == {13})


def test_breathing_moves_the_muscle_as_the_truth_says():
    study = draw_study(5, sequence=SMALL, breath=0.02)
    where = scene(study, 0)
    rest, moved = (segmented(where.shares(breath)) == MUSCLE for breath in (0.0, 0.02))

    def middle(mask):
        return torch.nonzero(mask).double().mean(0)

    way = torch.tensor(where.displacement(0.02)[:2], dtype=torch.float64)
    torch.testing.assert_close(middle(moved) - middle(rest), way, rtol=0.1, atol=0.3)


def test_a_beat_that_comes_while_images_are_acquired_is_missed():
    study = draw_study(2, beats=40, jitter=0.3)
    assert (study.waves.diff() >= study.sequence.busy).all()
    assert float(study.curves()[0][-1]) >= float(study.waves[-1]) + STEP


def test_each_line_is_the_transform_of_what_its_own_pulse_sees(healthy):
    simulation = simulate_perfusion(healthy, coils=2)
    one = camera(simulation, 0)
    table = simulation.eyes.bright(one.train, float(healthy.waves[15]))
    lines = one.lines(0.003, table)
    x, y = one.where.plane.offsets()
    for number in (0, 20, len(one.train.lines) - 1):
        seen = picture(one.where.shares(0.003), table[..., number], one.weights) * one.coils[1]
        ky = (one.train.lines[number] - 36) / healthy.sequence.fov[1]
        kx = (100 - 96) / (2 * healthy.sequence.fov[0])
        phase = -2 * math.pi * (kx * x[None, :] + ky * y[:, None])
        expected = (
            (seen * torch.polar(torch.ones_like(phase), phase)).sum() * math.sqrt(72 * 192) / seen.numel() / 2
        )
        assert abs(complex(lines[number, 1, 100]) - complex(expected)) < 2e-3 * float(lines[:, 1].abs().max())


def test_noise_behind_sense_is_what_the_contrast_to_noise_ratio_says(healthy):
    quiet, loud = (simulate_perfusion(healthy, cnr=cnr, coils=4) for cnr in (24.0, 12.0))
    torch.testing.assert_close(2 * quiet.mix, loud.mix)
    whole = simulate_perfusion(replace(healthy, sequence=standard((96, 72), 1, 1, 30)), coils=4)
    assert float(loud.mix.abs().max()) < float(whole.mix.abs().max()) / math.sqrt(2)


def test_papillary_muscles_are_perfused_as_the_wall_is(healthy):
    """Seen: under stress they had a flow of rest, and every heart a dark rim."""
    _, curves = healthy.curves()
    wall = curves[len(Tissue) :]
    torch.testing.assert_close(curves[int(Tissue.PAPILLARY)], wall.mean(0))
    assert curves[int(Tissue.PAPILLARY)].max() > 0.8 * wall.max(1).values.median()
