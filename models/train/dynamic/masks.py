"""Random patterns of lines over time."""

import numpy as np
import torch

from models.train.fields import Random

ACCELERATIONS = (4, 5, 6, 8, 10)
CHANCES = (0.15, 0.1, 0.2, 0.4, 0.15)


def interleaved(lines: int, order: list[int], frames: int) -> torch.Tensor:
    """Every R-th line; R is the length of ``order``, the shifts from the centre by frame; bool [t, k1]."""
    line, factor = torch.arange(lines), len(order)
    return torch.stack([(line - lines // 2 - order[frame % factor]) % factor == 0 for frame in range(frames)])


def scattered(
    random: Random, lines: int, acceleration: int, frames: int, power: float, centre: int
) -> torch.Tensor:
    """Other random lines in each frame, denser inside for ``power`` above 0, and ``centre`` fixed ones."""
    distance = np.abs(np.arange(lines) - lines // 2) / (lines / 2)
    density = (1 - distance + 1e-3) ** power
    first = lines // 2 - centre // 2
    density[first : first + centre] = 0
    count = max(round(lines / acceleration) - centre, 1)
    sampled = torch.zeros(frames, lines, dtype=torch.bool)
    for frame in sampled:
        chosen = random.choice(lines, count, replace=False, p=density / density.sum())
        frame[torch.from_numpy(chosen)] = True
    sampled[:, first : first + centre] = True
    return sampled


def random_pattern(random: Random, lines: int, frames: int) -> torch.Tensor:
    """R = 4 to 10: mostly interleaved, one line after the other or in any order; else random lines."""
    acceleration = int(random.choice(ACCELERATIONS, p=CHANCES))
    if random.random() < 0.75:
        order = list(range(acceleration))
        kind = random.random()
        if kind < 0.25:
            order.reverse()
        elif kind < 0.5:
            order = random.permutation(acceleration).tolist()
        turn = int(random.integers(acceleration))
        return interleaved(lines, order[turn:] + order[:turn], frames)
    centre = 2 * int(random.integers(0, 5))
    return scattered(random, lines, acceleration, frames, random.uniform(0, 2.5), centre)
