"""What a point of a drawn slice is made of, and how bright that may be."""

import enum

import torch

from models.train.fields import Random


class Part(enum.IntEnum):
    """Of a chest, as far as cine images tell them apart."""

    AIR = 0
    LUNG = 1
    FAT = 2
    MUSCLE = 3
    MARROW = 4
    LIVER = 5
    STOMACH = 6
    SPLEEN = 7
    VESSEL = 8
    LEFT_BLOOD = 9
    MYOCARDIUM = 10
    RIGHT_BLOOD = 11
    RIGHT_WALL = 12
    TRABECULA = 13
    ATRIUM = 14
    ROOT = 15
    FLUID = 16
    PERICARDIUM = 17
    CLUTTER = 18
    OTHER_CLUTTER = 19


BEATING = torch.zeros(len(Part), dtype=torch.bool)
"""What moves with the heart, [part]."""

BEATING[[Part.LEFT_BLOOD, Part.MYOCARDIUM, Part.RIGHT_BLOOD, Part.RIGHT_WALL, Part.TRABECULA]] = True

BALANCED = {
    Part.AIR: (0.0, 0.02),
    Part.LUNG: (0.02, 0.16),
    Part.FAT: (0.5, 1.7),
    Part.MUSCLE: (0.15, 0.5),
    Part.MARROW: (0.2, 1.1),
    Part.LIVER: (0.15, 0.6),
    Part.STOMACH: (0.05, 2.0),
    Part.SPLEEN: (0.2, 0.9),
    Part.VESSEL: (0.6, 1.4),
    Part.LEFT_BLOOD: (1.0, 1.0),
    Part.MYOCARDIUM: (0.12, 0.6),
    Part.RIGHT_BLOOD: (0.75, 1.15),
    Part.ATRIUM: (0.7, 1.2),
    Part.ROOT: (0.7, 1.2),
    Part.FLUID: (0.8, 2.0),
    Part.PERICARDIUM: (0.03, 0.35),
    Part.CLUTTER: (0.0, 1.4),
    Part.OTHER_CLUTTER: (0.0, 1.4),
}
"""Relative to the left ventricle's blood, as balanced SSFP shows them; wide, from looking at images."""

PERFUSION = BALANCED | {
    Part.FAT: (0.05, 0.6),
    Part.MARROW: (0.05, 0.5),
    Part.LIVER: (0.03, 0.4),
    Part.SPLEEN: (0.05, 0.6),
    Part.STOMACH: (0.02, 0.5),
    Part.MUSCLE: (0.02, 0.3),
    Part.MYOCARDIUM: (0.05, 0.6),
    Part.RIGHT_BLOOD: (0.3, 1.6),
}
"""As saturation recovery shows them while contrast agent passes."""


def intensities(random: Random) -> torch.Tensor:
    """How bright each part is in one scan, float32 [part]; 1 is the left ventricle's blood."""
    kind = random.random()
    ranges = PERFUSION if kind < 0.18 else BALANCED
    values = torch.zeros(len(Part))
    for part, (low, high) in ranges.items():
        values[part] = random.uniform(low, high)
    if kind > 0.88:
        values = torch.from_numpy(random.uniform(0.0, 1.5, len(Part))).float()
        values[Part.LEFT_BLOOD] = 1.0
        values[Part.RIGHT_BLOOD] = random.uniform(0.6, 1.4)
        values[Part.MYOCARDIUM] = random.uniform(0.1, 0.75)
    elif 0.18 <= kind < 0.33:
        values[Part.MYOCARDIUM] = random.uniform(0.55, 0.85)
    near = values[Part.MYOCARDIUM]
    values[Part.RIGHT_WALL] = near * random.uniform(0.8, 1.2)
    values[Part.TRABECULA] = near + (values[Part.LEFT_BLOOD] - near) * random.uniform(-0.1, 0.55)
    for part, chance in ((Part.MUSCLE, 0.6), (Part.LIVER, 0.3), (Part.STOMACH, 0.1), (Part.FAT, 0.05)):
        if kind <= 0.88 and random.random() < chance:
            values[part] = near * random.uniform(0.7, 1.3)
    return values
