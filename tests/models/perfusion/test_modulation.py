"""Breathing's part of the muscle's brightness, found beside contrast that comes and goes."""

import math

import torch

from models.perfusion.modulation import modulation, unmodulated, way_of

PIXEL = 0.002
SIZE, FRAMES = 40, 60
TIMES = 0.7 * torch.arange(FRAMES, dtype=torch.float64)


def ring():
    """A ring of muscle, bool [y, x]."""
    y, x = torch.meshgrid(torch.arange(SIZE) - 19.5, torch.arange(SIZE) - 19.5, indexing="ij")
    far = torch.hypot(y, x)
    return (far > 8) & (far < 13)


def gains():
    """From -6 to 6 along y and steeper where it is positive [1/m], [y, x]."""
    y = (torch.arange(SIZE) - 19.5)[:, None].expand(SIZE, SIZE) / 13
    return 4 * y + 2 * y.square() * y.sign()


def enhancement():
    """Signal of muscle in a first pass, [frame]: it rises within four heartbeats and falls slowly."""
    time = torch.arange(FRAMES) * 0.7
    late = (time - 9).clamp(min=0)
    return 0.4 + 1.2 * (1 - torch.exp(-late / 1.2)) * torch.exp(-late / 40)


def breath(period=4.3):
    """Way of a breath of 8 mm [m], [frame]."""
    time = torch.arange(FRAMES) * 0.7
    return 0.008 * (0.5 - 0.5 * torch.cos(2 * math.pi * time / period)) ** 2


def series(way, noise=0.0, seed=0):
    """The ring in front of nothing, as bright as the breath has it, [frame, y, x]."""
    still = enhancement()[:, None, None] * torch.ones(SIZE, SIZE)
    seen = still * (1 + gains() * way[:, None, None])
    random = torch.Generator().manual_seed(seed)
    return seen + noise * torch.randn(seen.shape, generator=random)


def sectors(image):
    """Mean of the ring's eight eighths, [..., 8]."""
    y, x = torch.meshgrid(torch.arange(SIZE) - 19.5, torch.arange(SIZE) - 19.5, indexing="ij")
    eighth = ((torch.atan2(y, x) + math.pi) / (math.pi / 4)).long().clamp(max=7)
    return torch.stack([image[..., ring() & (eighth == each)].mean(-1) for each in range(8)], -1)


def away(found):
    """Worst of all sectors' standard deviations from what is true, over the highest signal."""
    wrong = sectors(found) - enhancement()[:, None]
    return float((wrong - wrong.mean(0)).square().mean(0).sqrt().max() / enhancement().max())


def test_what_breathing_does_to_a_sector_is_taken_out():
    before = series(breath())
    assert away(before) > 0.009
    assert away(unmodulated(before, ring(), breath(), TIMES, PIXEL)) < 0.002


def test_it_is_found_in_noise():
    noise = 1.2 / 12
    before = series(breath(), noise)
    alone = away(series(0 * breath(), noise))
    assert away(unmodulated(before, ring(), breath(), TIMES, PIXEL)) < 1.15 * alone < away(before)


def test_a_single_breath_while_contrast_arrives_is_not_mistaken_for_it():
    way = torch.zeros(FRAMES)
    way[13:18] = 0.008
    still = series(torch.zeros(FRAMES))
    found = unmodulated(still, ring(), way, TIMES, PIXEL)
    assert (sectors(found) / sectors(still) - 1).abs().max() < 0.01


def test_a_breath_that_is_let_go_with_the_bolus_is_not_mistaken_for_it():
    way = torch.where(torch.arange(FRAMES) < 14, 0.0, 0.008)
    still = series(torch.zeros(FRAMES))
    found = unmodulated(still, ring(), way, TIMES, PIXEL)
    assert (sectors(found) / sectors(still) - 1).abs().max() < 0.01


def test_nothing_changes_without_a_way_or_outside_of_the_muscle():
    before = series(breath(), 0.05)
    assert torch.equal(unmodulated(before, ring(), torch.zeros(FRAMES), TIMES, PIXEL), before)
    assert torch.equal(unmodulated(before, ring(), breath(), TIMES, PIXEL)[:, ~ring()], before[:, ~ring()])
    assert unmodulated(before[:7], ring(), breath()[:7], TIMES[:7], PIXEL) is not None
    assert torch.equal(unmodulated(before[:7], ring(), breath()[:7], TIMES[:7], PIXEL), before[:7])


def test_the_way_of_frames_is_along_the_breath_and_from_the_common_geometry():
    rows = torch.tensor([0.0, 1.0, 3.0, 2.0, 0.0, -1.0])
    displacement = torch.zeros(6, 2, 8, 8)
    displacement[:, 0], displacement[:, 1] = 0.8 * rows[:, None, None], 0.6 * rows[:, None, None]
    found = way_of(displacement)
    assert (found.abs() - rows.abs()).abs().max() < 1e-5
    assert abs(abs(float(found @ rows.double())) - float(rows @ rows)) < 1e-4


def held(at, way):
    """A breath that is let go at a frame: the way before and after, from the median [m], [frame]."""
    found = torch.where(torch.arange(FRAMES) < at, 0.0, way)
    return found - found.median()


def test_frames_that_are_missing_are_no_breath():
    """Seen: ten frames left out behind the peak, the heart elsewhere after them: flow a third too low."""
    kept = torch.ones(FRAMES, dtype=torch.bool)
    kept[20:34] = False
    still = series(torch.zeros(FRAMES)) * (1 - 0.3 * (torch.arange(FRAMES) > 26)[:, None, None])
    found = unmodulated(still[kept], ring(), held(26, 0.012)[kept], TIMES[kept], PIXEL)
    assert (sectors(found) / sectors(still[kept]) - 1).abs().max() < 0.005


def test_noise_is_not_explained_by_its_own_multiple():
    """Seen: where a breath is let go while contrast arrives, frames before it were 6 to 15 % too bright."""
    still = series(torch.zeros(FRAMES), 0.1)
    found = unmodulated(still, ring(), held(15, 0.02), TIMES, PIXEL)
    assert (sectors(found) / sectors(still) - 1).abs().max() < 0.005


def test_a_frame_that_was_laid_wrong_does_not_turn_the_way():
    """Seen: one frame 24 pixels sideways, and nothing of the breath was left in the way."""
    rows = (400 * breath()).double()
    displacement = torch.zeros(FRAMES, 2, 8, 8)
    displacement[:, 0] = rows[:, None, None]
    displacement[30, 1] = 24.0
    found = way_of(displacement)
    kept = torch.arange(FRAMES) != 30
    assert abs(float(torch.corrcoef(torch.stack([found, rows]))[0, 1])) > 0.98
    assert float(found.abs()[~kept].max()) <= float(found.abs()[kept].max()) + 1e-6


def test_what_does_not_come_again_is_no_breath():
    """Seen: in five of eight real series what one half of the frames said was not so in the other."""
    way, times = breath(), torch.arange(FRAMES) * 0.7
    turned = torch.where(torch.arange(FRAMES) < 36, 1.0, -1.0)[:, None, None]
    still = enhancement()[:, None, None] * torch.ones(SIZE, SIZE)
    before = still * (1 + turned * gains() * way[:, None, None])
    assert modulation(before, ring(), way, times, PIXEL)[1] < 0.1
    assert modulation(series(way), ring(), way, times, PIXEL)[1] > 0.95
