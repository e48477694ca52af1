"""How a layout of parts looks in an image: brightness, texture, coils, resolution, artefacts, noise."""

import math

import torch

from models.train.fields import Random
from models.train.shortaxis.field import smooth
from models.train.shortaxis.tissue import Part, intensities


def render(parts: torch.Tensor, depth: torch.Tensor, random: Random, size: int, fov: float) -> torch.Tensor:
    """The image [size, size] of parts [layer, y, x], not negative; the left ventricle's blood is near 1."""
    fine = parts.shape[-1]
    level, index = intensities(random), parts.long()
    image = level[index].mean(0)
    image = image * _texture(parts, random, fov)
    image = _outlined(image, parts, random)
    image = image * _coils(depth, random)
    if random.random() < 0.2:
        image = image * _bands(random, fine)
    image = _sampled(image, random, size)
    if random.random() < 0.5:
        top = float(image.amax())
        image = top * (image / top) ** random.uniform(0.7, 1.4)
    return image


def _texture(parts: torch.Tensor, random: Random, fov: float) -> torch.Tensor:
    """Flow in blood, grain in tissues: 1 on average."""
    shape = parts.shape[-2:]
    per_mm = shape[0] / fov
    table = torch.from_numpy(random.uniform(0, 0.1, len(Part))).float()
    broad = torch.zeros(len(Part))
    for part in (Part.LEFT_BLOOD, Part.RIGHT_BLOOD, Part.ATRIUM, Part.ROOT, Part.VESSEL):
        broad[part] = random.uniform(0, 0.18)
    for part in (Part.MUSCLE, Part.FAT, Part.LUNG, Part.STOMACH, Part.CLUTTER):
        broad[part] = random.uniform(0, 0.35)
    middle = parts[parts.shape[0] // 2].long()
    fine = smooth(random, shape[0], random.uniform(1.5, 4) * per_mm)
    coarse = smooth(random, shape[0], random.uniform(6, 20) * per_mm)
    return (1 + table[middle] * fine + broad[middle] * coarse).clamp_min(0.02)


def _outlined(image: torch.Tensor, parts: torch.Tensor, random: Random) -> torch.Tensor:
    """Dark lines where fat meets water, as balanced SSFP has them."""
    strength = random.uniform(0, 0.95) * (random.random() < 0.75)
    if not strength:
        return image
    fat = ((parts == Part.FAT) | (parts == Part.MARROW)).float().mean(0)
    share = torch.nn.functional.avg_pool2d(fat[None, None], 3, 1, 1)[0, 0]
    return image * (1 - strength * 4 * share * (1 - share))


def _coils(depth: torch.Tensor, random: Random) -> torch.Tensor:
    """Brighter under the skin, and smooth changes across the image."""
    fall = random.uniform(0, 1.3)
    near = (1 + depth / random.uniform(20, 120)) ** -fall
    cell = random.uniform(0.4, 1.2) * len(depth)
    change = torch.exp(random.uniform(0, 0.35) * smooth(random, len(depth), cell))
    return near / float(near.mean().clamp_min(1e-3)) * change


def _bands(random: Random, fine: int) -> torch.Tensor:
    """Dark stripes where the frequency is far from the centre."""
    angle, pitch = random.uniform(0, 2 * math.pi), random.uniform(0.35, 1.2)
    axis = torch.arange(fine) / fine - 0.5
    along = math.cos(angle) * axis[:, None] + math.sin(angle) * axis[None]
    bent = along + random.normal(0, 0.5) * (axis[:, None] ** 2 - axis[None] ** 2)
    phase = torch.remainder(bent / pitch + random.random(), 1.0) - 0.5
    width = random.uniform(0.02, 0.06)
    return 1 - random.uniform(0.4, 1.0) * torch.exp(-((phase / width) ** 2))


def _sampled(image: torch.Tensor, random: Random, size: int) -> torch.Tensor:
    """Cut off in k-space, with noise, zero-filled, as magnitude; ghosts now and then."""
    lines, columns = (round(size * random.uniform(0.55, 1.0)) for _ in range(2))
    taper = random.random() < 0.4
    down, across = _lowpass(len(image), size, lines, taper), _lowpass(len(image), size, columns, taper)
    seen = down @ image @ across.T
    if random.random() < 0.15:
        shift = round(size * random.uniform(0.2, 0.5))
        seen = seen + random.uniform(0.03, 0.15) * torch.roll(seen, shift, int(random.integers(0, 2)))
    sd = math.exp(random.uniform(math.log(0.004), math.log(0.12))) * size / math.sqrt(lines * columns)
    noise = torch.from_numpy(random.standard_normal((2, size, size), dtype="float32"))
    own = _lowpass(size, size, lines, taper), _lowpass(size, size, columns, taper)
    noise = sd * (own[0] @ noise @ own[1].T)
    return torch.hypot(seen + noise[0], noise[1])


def _lowpass(fine: int, size: int, kept: int, taper: bool) -> torch.Tensor:
    """From ``fine`` points to ``size`` pixels through ``kept`` samples of k-space, [size, fine]."""
    k = torch.arange(kept) - (kept - 1) / 2
    weight = torch.cos(math.pi * k / (kept + 1)) ** 0.7 if taper else torch.ones(kept)
    to = (torch.arange(size) + 0.5) / size
    come = (torch.arange(fine) + 0.5) / fine
    there, back = 2 * math.pi * to[:, None] * k, 2 * math.pi * come[:, None] * k
    whole = (there.cos() * weight) @ back.cos().T + (there.sin() * weight) @ back.sin().T
    return whole / fine
