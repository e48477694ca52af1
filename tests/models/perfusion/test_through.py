"""Near the apex the heart grows and shrinks with the breath: that is found, and contrast is not it."""

import pytest
import torch

from models.perfusion.motion import register
from models.perfusion.through import grown, still

FRAMES, SIZE = 40, 64
BREATH = 5 * torch.sin(torch.pi * torch.arange(FRAMES) / 4.3).square()


def section(breath, time, growth, noise=0.02):
    """Two blood pools and muscle; ``growth`` per pixel of breath, which moves them along y."""
    size = 1 + growth * (breath - float(BREATH.median()))
    y, x = torch.meshgrid(torch.arange(SIZE) - 31.5 - breath, torch.arange(SIZE) - 31.5, indexing="ij")
    y, x = y / size, x / size

    def disc(cx, radius):
        return torch.sigmoid(radius - (y.square() + (x - cx).square()).sqrt())

    def passing(start, width):
        since = max(0.0, (time - start) / width)
        return since**2 * float(torch.exp(torch.tensor(2 - 2 * since)))

    left, wall, right = disc(2, 7), disc(2, 13), disc(-16, 8)
    muscle = (wall - left).clamp(min=0) * (0.25 + 0.35 * min(1.0, max(0.0, (time - 16) / 8)))
    frame = (
        0.1 + left * (0.2 + 2 * passing(12, 5)) + right * (0.2 + 2.5 * passing(6, 4)) * (1 - wall) + muscle
    )
    random = torch.Generator().manual_seed(time)
    return frame + noise * torch.randn(frame.shape, generator=random)


def series(growth, breath=BREATH):
    return torch.stack([section(float(each), time, growth) for time, each in enumerate(breath)])


def found_growth(moved, frames=slice(None)):
    """Per pixel of breath, from displacements [frame, (y, x), y, x]."""
    steepness = (moved[:, 0, -1] - moved[:, 0, 0]).mean(1) / (SIZE - 1)
    way = BREATH[frames] - BREATH[frames].mean()
    return float((steepness - steepness.mean()) @ way / way.square().sum())


@pytest.mark.parametrize("growth", [0.03, -0.03])
def test_growth_with_the_breath_is_found(growth):
    moved = register(series(growth), None).displacement
    assert found_growth(moved) == pytest.approx(growth, rel=0.2)


def test_a_breath_within_the_slice_and_a_bolus_are_no_growth():
    moved = register(series(0.0), None).displacement
    assert abs(found_growth(moved)) < 0.004


def test_a_breath_that_goes_with_the_bolus_is_no_growth():
    """Held until the bolus has passed: what the breath and the contrast change is one and the same moment."""
    breath = torch.where(torch.arange(FRAMES) < 20, 0.0, 4.0)
    moved = register(series(0.0, breath), None).displacement
    steepness = (moved[:, 0, -1] - moved[:, 0, 0]).mean(1) / (SIZE - 1)
    assert float(steepness.max() - steepness.min()) < 0.03


def test_where_nothing_moves_or_frames_are_few_nothing_grows():
    shifts = torch.zeros(FRAMES, 2)
    frames = series(0.0, torch.zeros(FRAMES))
    every = torch.ones(FRAMES, dtype=torch.bool)
    assert torch.equal(grown(frames, shifts, every), still(shifts, frames))
    assert torch.equal(grown(frames, shifts, ~every), still(shifts, frames))
    few = torch.linspace(-3, 3, 10)[:, None].expand(-1, 2)
    assert torch.equal(grown(frames[:10], few, every[:10]), still(few, frames[:10]))


def test_an_arterial_series_is_moved_as_a_whole():
    moved = register(series(0.03), None, grows=False).displacement
    assert torch.equal(moved, still(moved[:, :, 0, 0], moved[:, 0]))


def test_growth_has_no_say_in_which_frames_show_another_heart():
    """Seen: the growth of a stray made it like the others, and nobody knew it then."""
    frames, strays = series(0.03), slice(16, 20)
    other = torch.nn.functional.interpolate(frames[strays][:, None], scale_factor=0.5, mode="bilinear")[:, 0]
    frames[strays] = torch.nn.functional.pad(other, (20, 12, 12, 20), value=0.1)
    moved, rigid = register(frames, None), register(frames, None, grows=False)
    assert torch.equal(moved.unlike, rigid.unlike)
    assert float(moved.unlike[strays].max()) > 0.7


def test_frames_that_show_another_heart_have_no_say_in_the_growth():
    frames, strays = series(0.03), slice(16, 20)
    shifts = torch.stack([BREATH - BREATH.median(), torch.zeros(FRAMES)], 1)
    known = torch.ones(FRAMES, dtype=torch.bool)
    known[strays] = False
    alone = grown(frames, shifts, known)
    spoilt, away = frames.clone(), shifts.clone()
    spoilt[strays], away[strays] = frames[strays].roll((9, -7), (1, 2)), torch.tensor([20.0, -20.0])
    found = grown(spoilt, away, known)
    assert found_growth(found[known], known) == pytest.approx(found_growth(alone[known], known), abs=1e-3)
