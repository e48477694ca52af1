import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.arrays import resize, to_image
from models.errors import SimulationError
from models.simulation.cine.acquire import CAVITY, segmented, simulate_cine, slice_at
from models.simulation.cine.protocol import Cine, plan_cine, slices_needed
from models.simulation.patient import average
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol
from models.simulation.tissue import Tissue

STEP = 0.003


def cine(columns=40, lines=36, snr=math.inf, coils=2, seed=0, sampling=None, **changes):
    scan = Protocol(
        sampling=Sampling(**({"lines": lines, "repetition_time": STEP} | (sampling or {}))),
        columns=columns,
        coils=coils,
        pixel=0.36 / columns,
        thickness=0.008,
        gap=0.002,
        snr=snr,
        seed=seed,
    )
    return Cine(**({"patient": average(), "scan": scan, "states": 8, "texture": 0.0} | changes))


def test_every_phase_of_a_gated_scan_has_every_line_once():
    one = cine()
    table = plan_cine(one)
    assert one.bins == int(0.9 / (12 * STEP))
    for phase in range(one.bins):
        assert np.sort(table["k1"][table["phase"] == phase]).tolist() == list(range(36))


def test_time_since_the_r_wave_begins_again_with_each_heartbeat():
    table = plan_cine(cine(jitter=0.05, seed=3))
    starts = np.unique((table["time"] - table["since"]).round(6))
    assert len(starts) == 36 // 12
    assert (np.diff(starts) > 0.7).all()
    assert len(np.unique(np.diff(starts).round(4))) > 1
    assert ((table["cycle"] >= 0) & (table["cycle"] < 1)).all()


def test_frames_in_real_time_have_interleaved_lines_while_the_heart_beats_on():
    sampling = {"acceleration": 4, "calibration": "interleaved"}
    table = plan_cine(cine(gating="realtime", frames=9, sampling=sampling))
    assert np.diff(table["time"]) == pytest.approx(STEP)
    for frame in range(9):
        lines = table["k1"][table["phase"] == frame].astype(int)
        assert ((lines - 18 - frame) % 4 == 0).all()
    union = np.unique(table["k1"][table["phase"] < 4])
    assert len(union) == 36
    same = table["time"] < 0.9
    assert table["since"][same] == pytest.approx(table["time"][same])


def test_kspace_transforms_to_the_slice_seen_by_the_coils():
    one = slice_at(cine(columns=96, lines=80), 4)
    labels = one.labels(0.0)
    image = resize(to_image(one.kspace(labels), (-2, -1)), -1, 96)
    seen = torch.nn.functional.avg_pool2d((one.sensitivities * one.look.image(labels)).abs(), 2)
    assert (image.abs() - seen).norm() < 0.25 * seen.norm()
    blood = segmented(labels) == CAVITY
    assert float(image.abs()[:, blood].sum() / seen[:, blood].sum()) == pytest.approx(1, abs=0.03)


def test_blood_is_brighter_than_muscle_and_fat_brighter_than_lung():
    one = slice_at(cine(off_resonance=0.0), 4)
    signal = one.look.table.abs()[:, 128]
    assert signal[Tissue.LEFT_BLOOD] > 2 * signal[Tissue.MYOCARDIUM]
    assert signal[Tissue.FAT] > 5 * signal[Tissue.LUNG]


def test_a_stack_covers_the_heart_and_its_labels_sum_to_its_volumes():
    one = cine(columns=96, lines=96)
    slices = slices_needed(one.patient, 0.010)
    one = replace(one, scan=replace(one.scan, sampling=replace(one.scan.sampling, slices=slices)))
    pixel = (0.36 / 96) ** 2 * 0.010 * 1e6
    for phase in (0.0, one.patient.heart.cycle.systole):
        volume = 0.0
        for index in range(slices):
            plane = one.plane(index)
            labels = one.patient.labels(plane, phase, fine=2, layers=3)
            volume += float((segmented(labels) == CAVITY).sum()) * pixel
        assert volume == pytest.approx(1e6 * one.patient.heart.volumes(phase)[0], rel=0.12)
    assert one.height(0) > one.patient.heart.base
    assert one.height(slices - 1) < -one.patient.heart.depth + 0.010


def test_lines_lie_between_the_states_of_the_cycle():
    one = cine(states=4)
    simulation = simulate_cine(one)
    ((rows, data),) = simulation.readouts()
    place = slice_at(one, 0)
    states = torch.stack([place.kspace(place.labels(state / 4)) for state in range(4)])
    for row in (0, 100, len(data) - 1):
        line = simulation.lines[rows][row]
        where = float(line["cycle"]) * 4
        low, part = int(where), where - int(where)
        expected = (1 - part) * states[low % 4, :, int(line["k1"])] + part * states[
            (low + 1) % 4, :, int(line["k1"])
        ]
        torch.testing.assert_close(data[row], expected, rtol=1e-4, atol=1e-5)


def test_the_signal_to_noise_ratio_is_that_of_blood():
    one = cine(columns=64, lines=64, snr=25.0, sampling={"slices": 9})
    simulation = simulate_cine(replace(one, states=2))
    for _ in simulation.readouts():
        pass
    blood = simulation.labels[4][0] == CAVITY
    assert float(simulation.images[4][0][blood].mean()) == pytest.approx(25.0, rel=0.05)


def test_equal_seeds_give_equal_samples():
    first, again, other = (
        torch.cat([data for _, data in simulate_cine(cine(snr=20.0, seed=seed, states=2)).readouts()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sampling": {"repetitions": 2}}, "no partitions, repetitions"),
        ({"views": 300}, "1 segments of 300 lines"),
        ({"gating": "realtime", "sampling": {"acceleration": 2}}, "interleaved calibration"),
    ],
)
def test_impossible_scans_are_refused(wrong, words):
    with pytest.raises(SimulationError, match=words):
        cine(**wrong)
