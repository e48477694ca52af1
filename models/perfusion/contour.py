"""Two closed contours about a centre, found together: dynamic programming over the angle.

Each ray is cut by the inner and by the outer contour; what lies within, between and beyond them has evidence
for being blood, muscle or something else. Neighbouring rays differ by one step at most.
"""

from dataclasses import dataclass

import torch

RAYS = 64
TURNS = 2
"""How often one goes round, so that the end meets the beginning."""


@dataclass(frozen=True, kw_only=True)
class Wall:
    """What is known of the muscle's thickness, in steps along a ray."""

    thin: int
    thick: int
    expected: float
    sd: float
    strength: float = 1.0
    """Of that expectation."""

    smooth: float = 1.5
    """What a step of either contour's radius from ray to ray costs."""


def rays(center: tuple[float, float], reach: int, step: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (y, x) [ray, step] on rays from a centre, ``step`` pixels apart; the first ray goes along x."""
    angle = 2 * torch.pi * torch.arange(RAYS) / RAYS
    radius = step * (torch.arange(reach) + 0.5)
    return center[0] + torch.sin(angle)[:, None] * radius, center[1] + torch.cos(angle)[:, None] * radius


def sampled(image: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """An image [channel, y, x] at places [ray, step]: [channel, ray, step]."""
    height, width = image.shape[1:]
    at = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)[None].float()
    found = torch.nn.functional.grid_sample(
        image[None].float(), at, padding_mode="border", align_corners=True
    )
    return found[0]


def contours(evidence: torch.Tensor, wall: Wall) -> tuple[torch.Tensor, torch.Tensor]:
    """Inner and outer radius of each ray in steps, [ray]; ``evidence`` [blood, muscle or other, ray, step].

    Evidence is additive: the logarithm of how likely a place is, given what it is.
    """
    score = _scores(evidence, wall)
    found = _best_path(score, wall.smooth)
    inner, thickness = found // score.shape[2], found % score.shape[2] + wall.thin
    return inner, inner + thickness


def _scores(evidence: torch.Tensor, wall: Wall) -> torch.Tensor:
    """What each inner radius and thickness is worth on each ray, [ray, inner, thickness]."""
    count, reach = evidence.shape[1:]
    sums = torch.nn.functional.pad(evidence.cumsum(2), (1, 0))
    inner = torch.arange(reach - wall.thick)
    thick = torch.arange(wall.thin, wall.thick + 1)
    outer = inner[:, None] + thick
    blood = sums[0][:, inner][:, :, None]
    muscle = sums[1][:, outer] - sums[1][:, inner][:, :, None]
    other = sums[2][:, -1:, None] - sums[2][:, outer]
    away = (thick - wall.expected) / wall.sd
    return blood + muscle + other - wall.strength * away.square() / 2 * torch.ones(count, 1, 1)


def _best_path(score: torch.Tensor, smooth: float) -> torch.Tensor:
    """The states of the closed path of the highest sum, [ray]."""
    count, inner, thickness = score.shape
    total = score[0]
    price = torch.tensor([smooth * (abs(a) + abs(a + b)) / 2 for a in (-1, 0, 1) for b in (-1, 0, 1)])
    came = []
    for ray in range(1, TURNS * count):
        wide = torch.nn.functional.pad(total, (1, 1, 1, 1), value=-torch.inf)
        near = torch.stack([wide[a : a + inner, b : b + thickness] for a in range(3) for b in range(3)])
        best, which = (near - price[:, None, None]).max(0)
        came.append(which)
        total = score[ray % count] + best
    state = int(total.argmax())
    path = [state]
    for which in reversed(came):
        a, b = divmod(int(which.flatten()[state]), 3)
        state = (state // thickness + a - 1) * thickness + state % thickness + b - 1
        path.append(state)
    path = path[::-1]
    start = (TURNS - 1) * count - count // 2
    middle = torch.tensor(path[start : start + count])
    return torch.roll(middle, start % count)


def polygon_mask(
    radius: torch.Tensor, center: tuple[float, float], shape: torch.Size, step: float
) -> torch.Tensor:
    """The pixels within a radius (in steps) that depends on the angle, bool [y, x]."""
    y = torch.arange(shape[-2])[:, None] - center[0]
    x = torch.arange(shape[-1])[None] - center[1]
    turn = (torch.atan2(y, x) / (2 * torch.pi) * RAYS).remainder(RAYS)
    low = turn.floor().long() % RAYS
    part = turn - turn.floor()
    edge = torch.lerp(radius[low].double(), radius[(low + 1) % RAYS].double(), part.double())
    return (y.square() + x.square()).sqrt() <= edge * step
