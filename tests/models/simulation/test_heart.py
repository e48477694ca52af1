import math
from dataclasses import replace

import pytest
import torch

from models.errors import SimulationError
from models.simulation.heart.beating import Ventricles
from models.simulation.heart.chambers import labels
from models.simulation.heart.cycle import Cycle
from models.simulation.heart.right import Crescent
from models.simulation.heart.sector import segments
from models.simulation.heart.shell import Shell
from models.simulation.patient import FAMILIES, average, draw, pose
from models.simulation.tissue import LEFT_CAVITY, LEFT_MUSCLE, Tissue

PHASES = (0.0, 0.2, 0.4, 0.7)
SHELL = Shell(
    radius=0.03,
    depth=0.07,
    base=0.02,
    tilt=(0.006, 0.4),
    lobes=((2, 0.1, 0.3), (3, 0.05, 1.0), (1, 0.2, 2.0)),
)


def grid(step, reach=0.11):
    """Points of a cubic lattice, float32 [3, point]."""
    axis = torch.arange(-reach, reach, step) + step / 2
    return torch.stack([each.reshape(-1) for each in torch.meshgrid(axis, axis, axis, indexing="ij")])


def test_the_volume_of_a_shell_is_that_of_the_points_within():
    x, y, z = grid(0.0015).double()
    theta = torch.atan2(y, x)
    inside = (x * x + y * y <= SHELL.squared(theta, z)) & (z <= SHELL.rim(theta)) & (z >= -SHELL.depth)
    assert SHELL.volume == pytest.approx(float(inside.sum()) * 0.0015**3, rel=2e-3)


def test_a_plain_half_ellipsoid_has_the_volume_of_the_textbook():
    plain = Shell(radius=0.03, depth=0.07, base=0.0)
    assert plain.volume == pytest.approx(2 / 3 * math.pi * 0.03**2 * 0.07, rel=1e-12)


def test_a_shell_can_be_given_a_volume():
    assert SHELL.sized(100e-6).volume == pytest.approx(100e-6, rel=1e-12)


def test_a_crescent_beside_a_thin_left_ventricle_is_a_half_ellipsoid():
    one = Crescent(radius=0.03, shift=0.02, depth=0.07, base=0.0)
    thin = Shell(radius=1e-6, depth=0.07, base=0.02)
    assert one.volume(thin) == pytest.approx(2 / 3 * math.pi * 0.03**2 * 0.07, rel=1e-3)


def test_a_right_ventricle_that_fits_nowhere_is_refused():
    one = Crescent(radius=0.03, shift=0.02, depth=0.07, base=0.0)
    with pytest.raises(SimulationError, match="no right ventricle of -1 ml"):
        one.filled(-1e-6, SHELL)


def test_the_ejection_fraction_is_as_set():
    heart = Ventricles(edv=120e-6, ef=0.55)
    volumes = [heart.volumes(phase / 200)[0] for phase in range(200)]
    assert max(volumes) == pytest.approx(120e-6)
    assert min(volumes) == pytest.approx(54e-6, rel=1e-3)


@pytest.mark.parametrize("phase", PHASES)
def test_muscle_is_neither_made_nor_lost(phase):
    heart = draw(4, "infarct").heart
    moment = heart.at(phase)
    assert moment.outer.volume - moment.inner.volume == pytest.approx(heart.muscle, rel=1e-9)
    assert moment.inner.volume == pytest.approx(heart.volumes(phase)[0], rel=1e-9)
    assert moment.right.volume(moment.outer) == pytest.approx(heart.volumes(phase)[1], rel=1e-6)


def test_the_heart_shortens_thickens_and_keeps_its_apex():
    heart = Ventricles()
    rest, systole = heart.at(0.0), heart.at(heart.cycle.systole)
    long, short = (m.outer.depth + m.outer.base for m in (rest, systole))
    assert short == pytest.approx(long * (1 - heart.shortening), rel=1e-6)
    thick, thin = (m.outer.radius - m.inner.radius for m in (systole, rest))
    assert 1.3 < thick / thin < 1.8
    assert systole.center - systole.outer.depth == pytest.approx(rest.center - rest.outer.depth)


def test_the_cycle_closes_and_a_faster_heart_has_relatively_longer_systole():
    cycle = Cycle()
    assert cycle.fullness(0.0) == pytest.approx(cycle.fullness(1 - 1e-9), abs=1e-6)
    assert cycle.fullness(cycle.systole) == pytest.approx(0, abs=1e-9)
    assert Cycle(interval=0.6).systole > Cycle(interval=1.1).systole


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("phase", [0.0, 0.35])
def test_points_of_every_family_fill_the_volumes_set(family, phase):
    patient = draw(3, family)
    moment, step = patient.heart.at(phase), 0.002
    found = labels(grid(step), patient.heart, patient.around, moment)
    left, right = patient.heart.volumes(phase)

    def volume(tissues):
        return sum(int((found == int(tissue)).sum()) for tissue in tissues) * step**3

    assert volume(LEFT_CAVITY) == pytest.approx(left, rel=0.01)
    assert volume(LEFT_MUSCLE) == pytest.approx(patient.heart.muscle, rel=0.015)
    assert volume([Tissue.RIGHT_BLOOD]) == pytest.approx(right, rel=0.02)


@pytest.mark.parametrize("family", ["hypertrophic", "small"])
def test_papillary_muscles_and_trabeculae_keep_their_volume_while_the_cavity_empties(family):
    patient, points = draw(11, family), grid(0.0015, 0.07)
    heart = patient.heart
    counts = [
        int((labels(points, heart, patient.around, heart.at(phase)) == int(Tissue.PAPILLARY)).sum())
        for phase in (0.0, 0.5 * heart.cycle.systole, heart.cycle.systole)
    ]
    assert counts == pytest.approx([counts[0]] * 3, rel=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_papillary_muscles_and_trabeculae_have_the_share_of_muscle_that_is_set(family):
    patient, points = draw(12, family), grid(0.0015, 0.07)
    heart, strands = patient.heart, patient.around.strands
    found = labels(points, heart, patient.around, heart.at(0.0))
    volume = int((found == int(Tissue.PAPILLARY)).sum()) * 0.0015**3
    wanted = (strands.papillary + strands.trabeculae) * heart.muscle
    assert volume == pytest.approx(min(wanted, 0.5 * heart.esv), rel=0.03)


def test_papillary_muscles_and_trabeculae_leave_blood_at_the_end_of_systole():
    patient = draw(3, "small")
    strands = replace(patient.around.strands, papillary=0.5, trabeculae=1.0)
    heart, around = replace(patient.heart, ef=0.9), replace(patient.around, strands=strands)
    points, end = grid(0.0015, 0.07), patient.heart.cycle.systole
    found = labels(points, heart, around, heart.at(end))
    blood = (found == int(Tissue.LEFT_BLOOD)).sum()
    assert float(blood) * 0.0015**3 == pytest.approx(0.5 * heart.esv, rel=0.05)


def test_papillary_muscles_that_do_not_fit_leave_the_cavity_below_and_above_them():
    patient = draw(3, "normal")
    strands = replace(patient.around.strands, papillary=9.0, trabeculae=0.0)
    around, heart = replace(patient.around, strands=strands), replace(patient.heart, ef=0.0, base=0.06)
    found = labels(grid(0.002, 0.09), heart, around, heart.at(0.0))
    assert (found == int(Tissue.LEFT_BLOOD)).sum() * 0.002**3 > 0.4 * heart.edv


def test_the_pose_is_a_rotation_with_the_anterior_wall_in_front():
    one = pose()
    turn = torch.tensor([one.septum, one.anterior, one.axis], dtype=torch.float64)
    torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-6)
    assert torch.linalg.det(turn) == pytest.approx(1)
    assert one.anterior[1] < 0
    points = torch.tensor([[0.01], [0.02], [-0.03]])
    back = torch.tensor(one.outside(*one.inside(points)[:, 0].tolist()))
    torch.testing.assert_close(back, points[:, 0])


def test_equal_seeds_make_equal_people_and_others_differ():
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert {draw(seed).family for seed in range(40)} == set(FAMILIES)


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(SimulationError, match="family tall"):
        draw(1, "tall")


def test_short_axis_stacks_sum_to_the_volumes():
    patient = average()
    matrix, side, thickness = (96, 96), 0.19, 0.004
    pixel = (side / 96) ** 2 * thickness
    total = {LEFT_CAVITY: 0.0, LEFT_MUSCLE: 0.0}
    for index in range(-20, 12):
        plane = patient.short_axis((index + 0.5) * thickness, (side, side), matrix, thickness)
        found = patient.labels(plane, 0.0, fine=1, layers=4)
        for tissues in total:
            total[tissues] += sum(float((found == int(t)).sum()) for t in tissues) / 4 * pixel
    assert total[LEFT_CAVITY] == pytest.approx(patient.heart.edv, rel=0.01)
    assert total[LEFT_MUSCLE] == pytest.approx(patient.heart.muscle, rel=0.01)


def test_breathing_moves_the_heart_as_it_is_said_to():
    patient = average()
    plane = patient.short_axis(0.0, (0.2, 0.2), (50, 50), 0.006)
    still = patient.labels(plane, 0.0, breath=0.0, fine=1)
    down = patient.labels(plane, 0.0, breath=0.02, fine=1)
    assert (still != down).any()
    blood = [(each == int(Tissue.LEFT_BLOOD)).nonzero().float().mean(0) for each in (still, down)]
    way = patient.moved(0.02)
    pixel = 0.2 / 50
    expected = sum(a * b for a, b in zip(way, plane.row, strict=True)) / pixel
    assert float(blood[1][1] - blood[0][1]) == pytest.approx(expected, abs=0.8)


def test_the_right_ventricle_is_left_in_the_image_and_segments_go_from_anterior_over_the_septum():
    patient = average()
    plane = patient.short_axis(0.0, (0.2, 0.2), (100, 100), 0.002)
    found = patient.labels(plane, 0.0, fine=1, layers=1)[0]
    x = {t: (found == int(t)).nonzero().float().mean(0)[1] for t in (Tissue.RIGHT_BLOOD, Tissue.LEFT_BLOOD)}
    assert x[Tissue.RIGHT_BLOOD] < x[Tissue.LEFT_BLOOD] - 10
    segment = segments(patient.material(plane, 0.0))
    assert set(segment.unique().tolist()) == {0, *range(1, 7)} or set(segment.unique().tolist()) == {
        0,
        *range(7, 13),
    }
    first = segment[segment > 0].min()
    middle = {n: (segment == first + n).nonzero().float().mean(0) for n in range(6)}
    assert middle[0][0] < middle[3][0]
    assert middle[1][1] < middle[5][1]
    muscle = torch.isin(found, torch.tensor([int(t) for t in LEFT_MUSCLE], dtype=torch.uint8))
    assert ((segment > 0) == muscle).float().mean() > 0.99
