"""Random patterns of lines: acceleration, reference lines, partial Fourier."""

from dataclasses import dataclass

import numpy as np
import torch

from models.train.fields import Random


@dataclass(frozen=True, kw_only=True, eq=False)
class Pattern:
    """Which lines are acquired."""

    weights: torch.Tensor
    """How many times each line is acquired, float32 [k1]."""

    reference: range
    """The fully sampled lines in the centre."""

    kind: str
    acceleration: int


def uniform(lines: int, acceleration: int, reference: int, offset: int = 0) -> Pattern:
    """Every R-th line (``offset`` from the centre) and the reference lines."""
    index = torch.arange(lines)
    weights = ((index - lines // 2 - offset) % acceleration == 0).float()
    return _with_reference(weights, reference, "uniform", acceleration)


def scattered(random: Random, lines: int, acceleration: int, reference: int, power: float = 0.0) -> Pattern:
    """Random lines, as many as every R-th outside the reference; denser inside for ``power`` above 0."""
    distance = np.abs(np.arange(lines) - lines // 2) / (lines / 2)
    density = (1 - distance + 1e-3) ** power
    region = range(lines // 2 - reference // 2, lines // 2 - reference // 2 + reference)
    density[region.start : region.stop] = 0
    count = round((lines - reference) / acceleration)
    chosen = random.choice(lines, count, replace=False, p=density / density.sum())
    weights = torch.zeros(lines)
    weights[torch.from_numpy(chosen)] = 1
    return _with_reference(weights, reference, "random", acceleration)


def random_pattern(random: Random, lines: int) -> Pattern:
    """R from 2 to 8, 16 to 32 reference lines, uniform or random, some partial Fourier; rarely all lines."""
    acceleration = int(random.choice((1, 2, 3, 4, 5, 6, 8), p=(0.04, 0.16, 0.22, 0.22, 0.18, 0.12, 0.06)))
    reference = 2 * int(random.integers(8, 17))
    if acceleration == 1 or random.random() < 0.55:
        pattern = uniform(lines, acceleration, reference, int(random.integers(acceleration)))
    else:
        power = random.choice((0.0, random.uniform(0, 3)))
        pattern = scattered(random, lines, acceleration, reference, power)
    if random.random() < 0.15:
        missing = round(lines * random.uniform(0.1, 0.375))
        missing = min(missing, pattern.reference.start)
        cut = slice(0, missing) if random.random() < 0.5 else slice(lines - missing, lines)
        pattern.weights[cut] = 0
    return pattern


def _with_reference(weights: torch.Tensor, reference: int, kind: str, acceleration: int) -> Pattern:
    first = len(weights) // 2 - reference // 2
    weights[first : first + reference] = 1
    return Pattern(
        weights=weights, reference=range(first, first + reference), kind=kind, acceleration=acceleration
    )
