"""How a layout of parts looks in an image: brightness, texture, coils, resolution, artefacts, noise."""

import math
from dataclasses import dataclass

import torch

from models.train.fields import Random
from models.train.shortaxis.field import smooth
from models.train.shortaxis.sampling import Sampling, draw_sampling
from models.train.shortaxis.tissue import BEATING, Part, intensities


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What all moments of a slice share: brightness, coils, resolution, artefacts. Not the noise."""

    level: torch.Tensor
    """Brightness of each part, [part]; the left ventricle's blood has 1."""

    even: torch.Tensor
    """Fine and coarse texture of each part, [2, part]."""

    fields: torch.Tensor
    """Fine and coarse, [2, y, x]."""

    outlines: float
    """How dark the lines are where fat meets water, as a part."""

    shading: torch.Tensor
    """Coils and bands, [y, x]."""

    sampling: Sampling
    power: float
    """Of the signal over the largest one."""

    def image(self, parts: torch.Tensor, random: Random, turn: int, squeezed: float) -> torch.Tensor:
        """The image [pixel, pixel] of parts [layer, y, x] at a moment, not negative.

        ``turn``: quarter turns of the heart's texture, which no beat keeps; ``squeezed``: the part of the
        blood between trabeculae that is gone.
        """
        level = self.level.clone()
        level[Part.TRABECULA] = torch.lerp(level[Part.TRABECULA], level[Part.MYOCARDIUM], squeezed)
        for blood in (Part.LEFT_BLOOD, Part.RIGHT_BLOOD, Part.ATRIUM, Part.ROOT):
            level[blood] *= random.normal(1, 0.05)
        index = parts.long()
        image = level[index].mean(0) * self._texture(index[index.shape[0] // 2], turn)
        image = _outlined(image, parts, self.outlines) * self.shading
        image = self.sampling.seen(image, random)
        top = float(image.amax().clamp_min(1e-6))
        return top * (image / top) ** self.power

    def _texture(self, middle: torch.Tensor, turn: int) -> torch.Tensor:
        """Flow in blood, grain in tissues: 1 on average."""
        heart = BEATING[middle]
        own = torch.where(heart, torch.rot90(self.fields, turn, (-2, -1)), self.fields)
        return (1 + (self.even[:, middle] * own).sum(0)).clamp_min(0.02)


def scene(depth: torch.Tensor, random: Random, size: int, fov: float) -> Scene:
    """A random look of slices of ``size`` pixels along each side; ``depth`` under the skin [mm], [y, x]."""
    fine = len(depth)
    shading = _coils(depth, random)
    if random.random() < 0.2:
        shading = shading * _bands(random, fine)
    return Scene(
        level=intensities(random),
        even=_unevenness(random),
        fields=torch.stack(
            [smooth(random, fine, random.uniform(*cell) * fine / fov) for cell in ((1.5, 4), (6, 20))]
        ),
        outlines=random.uniform(0, 0.95) * (random.random() < 0.75),
        shading=shading,
        sampling=draw_sampling(random, fine, size),
        power=random.uniform(0.7, 1.4) if random.random() < 0.5 else 1.0,
    )


def _unevenness(random: Random) -> torch.Tensor:
    fine = torch.from_numpy(random.uniform(0, 0.1, len(Part))).float()
    broad = torch.zeros(len(Part))
    for part in (Part.LEFT_BLOOD, Part.RIGHT_BLOOD, Part.ATRIUM, Part.ROOT, Part.VESSEL):
        broad[part] = random.uniform(0, 0.18)
    for part in (Part.MUSCLE, Part.FAT, Part.LUNG, Part.STOMACH, Part.CLUTTER):
        broad[part] = random.uniform(0, 0.35)
    return torch.stack([fine, broad])


def _outlined(image: torch.Tensor, parts: torch.Tensor, strength: float) -> torch.Tensor:
    """Dark lines where fat meets water, as balanced SSFP has them."""
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
