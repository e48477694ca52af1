"""Tissues of the chest and their relaxation times.

Spleen, marrow and subcutaneous fat at 3 T: C. M. J. de Bazelaire et al., Radiology 230 (2004) 652, checked
against its abstract. Heart, skeletal muscle, liver and blood are near G. J. Stanisz et al., Magn. Reson. Med.
54 (2005) 507, and the first three at 1.5 T near the former's table, but these tables could not be seen: they
are chosen values. So are venous blood's T2 (it depends on oxygen), lung, cortical bone, stomach, fluid, scar,
all spreads, and all proton densities (water content relative to cerebrospinal fluid).
"""

import enum
from dataclasses import dataclass

import torch


class Tissue(enum.IntEnum):
    """What a point is made of."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    LUNG = 4
    LIVER = 5
    STOMACH = 6
    SPLEEN = 7
    MARROW = 8
    FLUID = 9
    AORTA = 10
    LEFT_BLOOD = 11
    RIGHT_BLOOD = 12
    LEFT_ATRIUM = 13
    RIGHT_ATRIUM = 14
    PULMONARY = 15
    MYOCARDIUM = 16
    RIGHT_WALL = 17
    PAPILLARY = 18
    WALL = 19
    """Of atria and great vessels."""

    SCAR = 20


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """Mean values, each (1.5 T, 3 T)."""

    t1: tuple[float, float]
    """[s]."""

    t2: tuple[float, float]
    """[s]."""

    density: float
    """Of protons, relative to water."""

    spread: float = 0.08
    """Standard deviation between people, as a part."""


_HEART = Relaxation(t1=(1.030, 1.471), t2=(0.040, 0.047), density=0.80)
_MUSCLE = Relaxation(t1=(1.008, 1.412), t2=(0.044, 0.050), density=0.79)
_FAT = Relaxation(t1=(0.343, 0.382), t2=(0.058, 0.068), density=0.90, spread=0.1)
_ARTERIAL = Relaxation(t1=(1.441, 1.932), t2=(0.290, 0.275), density=0.85)
_VENOUS = Relaxation(t1=(1.441, 1.932), t2=(0.180, 0.120), density=0.85, spread=0.12)

RELAXATION = {
    Tissue.AIR: Relaxation(t1=(1.0, 1.0), t2=(0.1, 0.1), density=0.0),
    Tissue.FAT: _FAT,
    Tissue.MUSCLE: _MUSCLE,
    Tissue.BONE: Relaxation(t1=(0.25, 0.25), t2=(0.001, 0.001), density=0.15),
    Tissue.LUNG: Relaxation(t1=(1.2, 1.3), t2=(0.030, 0.025), density=0.15, spread=0.3),
    Tissue.LIVER: Relaxation(t1=(0.576, 0.812), t2=(0.046, 0.042), density=0.75, spread=0.12),
    Tissue.STOMACH: Relaxation(t1=(1.2, 1.5), t2=(0.080, 0.070), density=0.7, spread=0.4),
    Tissue.SPLEEN: Relaxation(t1=(1.057, 1.328), t2=(0.079, 0.061), density=0.80),
    Tissue.MARROW: Relaxation(t1=(0.549, 0.586), t2=(0.049, 0.049), density=0.6, spread=0.15),
    Tissue.FLUID: Relaxation(t1=(4.0, 4.0), t2=(1.5, 1.5), density=1.0),
    Tissue.AORTA: _ARTERIAL,
    Tissue.LEFT_BLOOD: _ARTERIAL,
    Tissue.RIGHT_BLOOD: _VENOUS,
    Tissue.LEFT_ATRIUM: _ARTERIAL,
    Tissue.RIGHT_ATRIUM: _VENOUS,
    Tissue.PULMONARY: _VENOUS,
    Tissue.MYOCARDIUM: _HEART,
    Tissue.RIGHT_WALL: _HEART,
    Tissue.PAPILLARY: _HEART,
    Tissue.WALL: _MUSCLE,
    Tissue.SCAR: Relaxation(t1=(1.15, 1.60), t2=(0.045, 0.050), density=0.80, spread=0.12),
}

LEFT_CAVITY = (Tissue.LEFT_BLOOD, Tissue.PAPILLARY)
"""Papillary muscles and trabeculae count as blood pool."""

LEFT_MUSCLE = (Tissue.MYOCARDIUM, Tissue.SCAR)


@dataclass(frozen=True, kw_only=True, eq=False)
class Properties:
    """The tissues of one person at one field strength; float32, [tissue]."""

    t1: torch.Tensor
    t2: torch.Tensor
    density: torch.Tensor


def properties(field: float, generator: torch.Generator | None = None) -> Properties:
    """Between 1.5 and 3 T [T]; with a generator, varied as between people. Equal tissues stay equal."""
    part = min(max((field - 1.5) / 1.5, 0.0), 1.0)
    factors: dict[int, torch.Tensor] = {}
    rows = []
    for one in (RELAXATION[tissue] for tissue in Tissue):
        if id(one) not in factors:
            noise = torch.randn(3, generator=generator).clamp(-2, 2) if generator else torch.zeros(3)
            factors[id(one)] = torch.exp(one.spread * noise * torch.tensor([1.0, 1.0, 0.5]))
        t1, t2 = ((1 - part) * low + part * high for low, high in (one.t1, one.t2))
        rows.append(torch.tensor([t1, t2, one.density]) * factors[id(one)])
    table = torch.stack(rows, 1)
    return Properties(t1=table[0], t2=torch.minimum(table[1], table[0]), density=table[2])
