"""Pseudo-videos: still images that beat, breathe and drift."""

import math

import torch

from models.train.fields import Random


def video(random: Random, image: torch.Tensor, frames: int, beats: float = 1.3) -> torch.Tensor:
    """Frames [t, y, x] of a complex image [y, x]: one to three places contract, the whole moves a little.

    ``beats``: of the contractions within all frames. The last frame is not the first one's neighbour.
    """
    height, width = image.shape
    y = (torch.arange(height) + 0.5) * 2 / height - 1
    x = (torch.arange(width) + 0.5) * 2 / width - 1
    time = torch.arange(frames)[:, None, None] / frames
    at_y, at_x = y[None, :, None].expand(frames, -1, width), x[None, None, :].expand(frames, height, -1)
    turn, far = random.uniform(0, 2 * math.pi), random.uniform(0, 0.03, 2)
    breath = torch.sin(2 * math.pi * random.uniform(0.2, 0.6) * time + turn)
    shift_y, shift_x = far[0] * breath + 0 * at_y, far[1] * breath + 0 * at_x
    for _ in range(int(random.integers(1, 4))):
        centre = random.uniform(-0.4, 0.4, 2)
        size, depth, phase = random.uniform(0.15, 0.35), random.uniform(0.1, 0.35), random.uniform(0, 1)
        pulse = (0.5 - 0.5 * torch.cos(2 * math.pi * (beats * time + phase))) ** random.uniform(1, 2)
        dy, dx = at_y - centre[0], at_x - centre[1]
        near = depth * pulse * torch.exp(-(dy**2 + dx**2) / (2 * size**2))
        shift_y, shift_x = shift_y + near * dy, shift_x + near * dx
    place = torch.stack([at_x + shift_x, at_y + shift_y], -1)
    parts = torch.view_as_real(image).permute(2, 0, 1)[None].expand(frames, -1, -1, -1)
    moved = torch.nn.functional.grid_sample(parts, place, mode="bicubic", align_corners=False)
    return torch.complex(moved[:, 0], moved[:, 1])


def events(random: Random, frames: torch.Tensor) -> torch.Tensor:
    """The frames with one to three places whose signal changes: a flash, a step or a slow rise.

    So that what changes from one frame to the next is not taken for an artefact.
    """
    count, height, width = frames.shape
    y = (torch.arange(height) + 0.5)[:, None] * 2 / height - 1
    x = (torch.arange(width) + 0.5)[None] * 2 / width - 1
    time = torch.arange(count)
    for _ in range(int(random.integers(1, 4))):
        centre, size = random.uniform(-0.6, 0.6, 2), math.exp(random.uniform(math.log(0.02), math.log(0.25)))
        place = (1.5 - torch.hypot(y - centre[0], x - centre[1]) / size).clamp(0, 1)
        begin, amount = random.uniform(0, count), random.choice((-1, 1)) * random.uniform(0.1, 0.7)
        lasts = random.choice((1.0, 2.0, 4.0, float(count)))
        rise = random.choice((0.5, 3.0, 10.0))
        course = ((time - begin) / rise + 0.5).clamp(0, 1) * ((time < begin + lasts).float())
        frames = frames * (1 + amount * course[:, None, None] * place)
    return frames
