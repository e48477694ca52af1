"""Pseudo-videos move smoothly and keep what they show."""

import numpy as np
import torch

from models.train.videos import video


def still():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 40), indexing="ij")
    return torch.polar(1 + torch.cos(9 * y) * torch.sin(7 * x), 0.5 * x)


def test_frames_move_a_little_from_one_to_the_next():
    frames = video(np.random.default_rng(0), still(), 25)
    assert frames.shape == (25, 48, 40)
    inner = frames[:, 6:-6, 6:-6]
    steps = (inner[1:] - inner[:-1]).abs().mean((1, 2))
    whole = (inner[0] - inner[8]).abs().mean()
    assert float(whole) > 0.01
    assert float(steps.max()) < 0.2 * float(inner.abs().mean())


def test_what_is_uniform_stays_so():
    frames = video(np.random.default_rng(1), torch.ones(32, 32, dtype=torch.complex64), 5)
    assert torch.allclose(frames[:, 6:-6, 6:-6].real, torch.ones(5, 20, 20), atol=1e-3)
