"""Connected regions of small masks."""

import torch


def parts(mask: torch.Tensor) -> list[torch.Tensor]:
    """The connected parts (by edges) of a mask, bool [y, x], the largest first."""
    names = torch.arange(1, mask.numel() + 1, dtype=torch.float32).reshape(mask.shape) * mask
    while True:
        grown = _neighbours(names).amax(0) * mask
        if bool((grown == names).all()):
            break
        names = grown
    found = [names == name for name in sorted(set(names[mask].tolist()))]
    return sorted(found, key=lambda part: -int(part.sum()))


def largest(mask: torch.Tensor) -> torch.Tensor:
    """The largest connected part; nothing of nothing."""
    found = parts(mask)
    return found[0] if found else torch.zeros_like(mask)


def filled(mask: torch.Tensor) -> torch.Tensor:
    """The mask and what it encloses."""
    framed = torch.nn.functional.pad(~mask, (1, 1, 1, 1), value=True)
    outside = torch.zeros_like(framed)
    outside[0] = outside[-1] = outside[:, 0] = outside[:, -1] = True
    while True:
        grown = _neighbours(outside.float()).amax(0).bool() & framed
        if bool((grown == outside).all()):
            return ~outside[1:-1, 1:-1]
        outside = grown


def eroded(mask: torch.Tensor, times: int = 1) -> torch.Tensor:
    """The mask without its rim; the outside of the image counts as outside."""
    return ~grown(~torch.nn.functional.pad(mask, (1, 1, 1, 1)), times)[1:-1, 1:-1]


def grown(mask: torch.Tensor, times: int = 1) -> torch.Tensor:
    """The mask and its neighbours by edges."""
    for _ in range(times):
        mask = _neighbours(mask.float()).amax(0).bool()
    return mask


def center(mask: torch.Tensor) -> tuple[float, float]:
    """Centroid (y, x) [pixel]."""
    y, x = torch.nonzero(mask).double().mean(0).tolist()
    return y, x


def roundness(mask: torch.Tensor) -> float:
    """Area over that of the disc with the same second moments: 1 for a disc, less for others."""
    places = torch.nonzero(mask).double()
    away = places - places.mean(0)
    spread = away.mT @ away / len(places) + torch.eye(2, dtype=torch.float64) / 12
    large = float(torch.linalg.eigvalsh(spread)[-1])
    return len(places) / (4 * torch.pi * large)


def box_around(point: tuple[float, float] | None, shape: torch.Size, most: int = 96) -> tuple[slice, slice]:
    """At most ``most`` pixels along y and x about a point, or the middle, inside the image."""
    found = []
    for size, at in zip(shape[-2:], point or (shape[-2] / 2, shape[-1] / 2), strict=True):
        length = min(most, size)
        start = min(max(0, round(at - length / 2)), size - length)
        found.append(slice(start, start + length))
    return found[0], found[1]


def _neighbours(values: torch.Tensor) -> torch.Tensor:
    """The pixel itself and its four neighbours, [5, y, x]; 0 outside."""
    wide = torch.nn.functional.pad(values, (1, 1, 1, 1))
    return torch.stack([wide[1:-1, 1:-1], wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])
