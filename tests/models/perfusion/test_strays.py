"""Frames of another slice or phase: no registration mends them, and they are known from the others."""

import pytest
import torch

from models.perfusion.motion import UNLIKE, register
from models.perfusion.resample import blur
from models.perfusion.strays import unlike

FRAMES, SIZE = 44, 64


def frame(time, size=1.0):
    """A heart at a moment of the first pass, in lung with vessels; ``size``: another slice, or phase."""
    y, x = (each / size for each in torch.meshgrid(*(torch.arange(SIZE) - 32.0,) * 2, indexing="ij"))

    def disc(cy, cx, radius):
        return torch.sigmoid((radius - ((y - cy).square() + (x - cx).square()).sqrt()) * size)

    def passing(start, width):
        since = max(0.0, (time - start) / width)
        return since**2 * float(torch.exp(torch.tensor(2 - 2 * since)))

    left, wall, right = disc(0, 6, 8), disc(0, 6, 14), disc(0, -12, 8)
    muscle = (wall - left).clamp(min=0) * (0.25 + 0.35 * min(1.0, max(0.0, (time - 16) / 8)))
    blood = left * (0.2 + 2 * passing(12, 5)) + right * (0.2 + 2.5 * passing(6, 4)) * (1 - wall)
    return 0.1 + blood + muscle


def series(sizes, dark=0):
    """Of the first ``dark`` frames rings are seen that blood outshines later."""
    random = torch.Generator().manual_seed(0)
    frames = torch.stack([frame(float(time), size) for time, size in enumerate(sizes)])
    y, x = torch.meshgrid(*(torch.arange(SIZE) - 32.0,) * 2, indexing="ij")
    frames[:dark] += 0.3 * ((y.square() + x.square()).sqrt() % 8 < 3)
    return (frames + 0.02 * torch.randn(frames.shape, generator=random)).clamp(min=0).sqrt()


def test_the_passage_of_the_bolus_is_like_itself():
    assert unlike(series([1.0] * FRAMES), torch.zeros(FRAMES, 2)).max() < UNLIKE - 0.1


@pytest.mark.parametrize("size", [0.5, 0.7])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_strays_that_a_series_begins_with_are_not_its_baseline(size, count):
    """Seen: the first two frames vouched for each other, and for those behind them."""
    left = unlike(series([size] * count + [1.0] * (FRAMES - count)), torch.zeros(FRAMES, 2))
    assert left[:count].min() > UNLIKE > left[count:].max()


@pytest.mark.parametrize(("frames", "dark"), [(FRAMES, 6), (30, 4), (20, 3)])
def test_frames_before_the_bolus_are_no_strays_because_nothing_later_is_as_dark(frames, dark):
    """Of more than may be strays others are left; of fewer nobody can tell."""
    assert unlike(series([1.0] * frames, dark=dark), torch.zeros(frames, 2)).max() < UNLIKE - 0.1


def passage(organs, random):
    """What is always there, beneath a bolus that comes to organs at times of their own."""
    always, *passed = blur(torch.randn(organs + 1, SIZE, SIZE, generator=random), 2.0)
    frames = always + 0.02 * torch.randn(FRAMES, SIZE, SIZE, generator=random)
    for number, each in enumerate(passed):
        since = (torch.arange(FRAMES) - 4.0 - 4 * number).clamp(min=0) / 4
        frames += 3 * (since * torch.exp(1 - since))[:, None, None] * each
    return frames


def test_frames_before_the_bolus_are_like_the_others_however_many_organs_it_passes():
    """Seen: a whole baseline of five frames left out. What it showed was in all later frames, beneath more
    patterns than the six that were looked at, all of them stronger."""
    frames = passage(8, torch.Generator().manual_seed(1))
    assert unlike(frames, torch.zeros(FRAMES, 2)).max() < UNLIKE - 0.1


@pytest.mark.parametrize("beats", [(30,), (20, 21), (38, 39, 40, 41)])
def test_strays_do_not_make_strays_of_the_frames_before_the_bolus(beats):
    """Seen: each stray took one of six patterns, and what was left did not explain the baseline."""
    random = torch.Generator().manual_seed(1)
    frames = passage(5, random)
    frames[list(beats)] = 3 * blur(torch.randn(len(beats), SIZE, SIZE, generator=random), 2.0)
    left = unlike(frames, torch.zeros(FRAMES, 2))
    others = [n for n in range(FRAMES) if n not in beats]
    assert left[list(beats)].min() > UNLIKE > left[others].max() + 0.1


@pytest.mark.parametrize("beat", [2, 18, 30])
def test_a_frame_of_another_phase_stands_alone(beat):
    sizes = [1.0] * FRAMES
    sizes[beat] = 0.5
    left = unlike(series(sizes), torch.zeros(FRAMES, 2))
    assert left.argmax() == beat
    assert left[beat] > UNLIKE > left[torch.arange(FRAMES) != beat].max()


def test_frames_of_one_breath_in_another_slice_do_not_vouch_for_each_other():
    sizes, shifts = [1.0] * FRAMES, torch.zeros(FRAMES, 2)
    sizes[:12] = [0.5] * 12
    shifts[:12, 0] = 8.0
    astray = unlike(series(sizes), shifts) > UNLIKE
    assert astray[:12].all() and not astray[12:].any()


def test_a_breath_within_the_slice_is_like_the_others():
    shifts = torch.zeros(FRAMES, 2)
    shifts[:12, 0] = 8.0
    assert not (unlike(series([1.0] * FRAMES), shifts) > UNLIKE).any()


def test_of_few_frames_nothing_is_said():
    assert (unlike(series([1.0] * 8), torch.zeros(8, 2)) == 0).all()


@pytest.mark.parametrize("beats", [(0, 1), (0, 1, 2, 3), (14, 15), (3, 4, 5, 6, 7), (28, 29, 30, 31)])
def test_strays_that_follow_each_other_do_not_vouch_for_each_other(beats):
    def left(astray):
        return unlike(series([0.5 if n in astray else 1.0 for n in range(FRAMES)]), torch.zeros(FRAMES, 2))

    together, others = left(beats), [n for n in range(FRAMES) if n not in beats]
    for beat in beats:
        assert together[beat] > left((beat,))[beat] - 0.1
    assert together[others].max() < UNLIKE - 0.1


@pytest.mark.parametrize("beats", [(2, 30), (18, 38), (4, 16, 28, 40), (1, 2, 25, 40, 41)])
def test_strays_that_lie_apart_do_not_vouch_for_each_other(beats):
    """Seen: of two frames of the same other slice, 20 frames apart, each was explained by the other."""
    random = torch.Generator().manual_seed(1)
    frames = passage(5, random)
    noise = 0.02 * torch.randn(len(beats), SIZE, SIZE, generator=random)
    frames[list(beats)] = 3 * blur(torch.randn(1, SIZE, SIZE, generator=random), 2.0) + noise
    astray = unlike(frames, torch.zeros(FRAMES, 2)) > UNLIKE
    assert astray.nonzero().flatten().tolist() == list(beats)


@pytest.mark.parametrize("beats", [(0, 1), (3, 4)])
def test_registration_does_not_move_strays_to_where_they_look_like_the_others(beats):
    """Seen: moved by 5 pixels onto the other ventricle they were like enough."""
    moved = register(series([0.5 if n in beats else 1.0 for n in range(FRAMES)]).square(), None)
    assert moved.beyond.nonzero().flatten().tolist() == list(beats)
