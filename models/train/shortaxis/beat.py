"""A drawn heart through its beat: it empties, shortens and turns, while its muscle stays (but where its wall
would be thinner or thicker than any that is drawn).

The base moves by some 13 mm towards the apex, which stays where it is, so that the same slice shows other
parts of the heart at end-systole: W. J. Rogers et al., Circulation 84 (1991) 721.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from models.train.fields import Random
from models.train.shortaxis.shape import Disc, Heart, Wave, draw_heart, layer, logarithmic, wall

FULL = 0.5
"""Papillary muscles and trabeculae, as they are at end-diastole, would fill at most this part of a cavity at
end-systole, where it is widest; as the heart becomes shorter they thicken, up to three quarters. They are two
fifths of the end-systolic volume in the mean (Chuang et al., JACC Imaging 5 (2012) 1115)."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """How a heart at end-diastole changes until end-systole. Lengths [mm]."""

    heart: Heart
    """At end-diastole."""

    cavity: float
    """Radius of the cavity."""

    section: float
    """Of its muscle where it is widest [mm^2]."""

    strands: float
    """Of its layer of trabeculae [mm^2]; 0: it has none."""

    narrower: float
    """The cavity's radius at end-systole over that at end-diastole."""

    shortening: float
    """Of the long axis, as a part."""

    gain: float
    """Muscle in a slice at end-systole over what shortening makes of it: no heart shortens evenly. Its mean
    is that at which slices have about as much more muscle as in the hearts of ``models.simulation``."""

    uneven: tuple[Wave, ...]
    """How much thicker, at end-systole, the wall becomes in places than in the mean, as a part."""

    right: float
    """Size of the right ventricle at end-systole over that at end-diastole."""

    turn: float
    """Of a slice's muscle about the axis [rad]."""

    shift: tuple[float, float]
    """Of the axis."""

    lift: float
    """Of the apex, in units of the length."""

    squeezed: float
    """How much of the blood between trabeculae is gone at end-systole, as a part."""

    def height(self, resting: float, contraction: float) -> float:
        """What lies at end-diastole's height ``resting`` of a slice at a moment."""
        return (resting - self.lift * contraction) / (1 - self.shortening * contraction)

    def at(self, contraction: float) -> Heart:
        """The heart at a moment: 0 is end-diastole, 1 end-systole."""
        heart, shrunk = self.heart, 1 - self.shortening * contraction
        cavity = self.cavity * (1 - (1 - self.narrower) * contraction)
        grown = (1 + (self.gain - 1) * contraction) / shrunk
        thick = wall(cavity, self.section * grown)
        radius, size = cavity + thick, 1 - (1 - self.right) * contraction
        return replace(
            heart,
            radius=radius,
            length=heart.length * shrunk,
            wall=thick,
            closed=min(heart.closed * (1 + 0.3 * contraction) / shrunk, 0.35),
            thickness=heart.thickness + tuple((n, contraction * a, angle) for n, a, angle in self.uneven),
            right=tuple(_resized(disc, radius / heart.radius, size) for disc in heart.right),
            sponge=layer(cavity, self.strands * grown) if self.strands else 0.0,
            papillary=tuple(_kept(disc, self.cavity / cavity) for disc in heart.papillary),
        )


def draw_beat(random: Random) -> Beat:
    """A random heart and beat: ejection fractions of 4 to 82 %."""
    cavity = logarithmic(random, 14, 40)
    section = logarithmic(random, *((500, 2200) if random.random() < 0.9 else (2200, 3600)))
    strands = logarithmic(random, 120, 1000) if random.random() < 0.75 else 0.0
    heart, thicker = draw_heart(random, cavity, section)
    ejected = random.uniform(0.04, 0.82)
    shortening = float(np.clip(ejected * random.uniform(0.16, 0.36), 0.0, 0.26))
    heart, strands = _fitting(heart, strands, cavity, (1 - ejected) / (1 - shortening))
    uneven = [(order, random.normal(0, 0.15 / order), random.uniform(0, 6.3)) for order in (1, 2)]
    if random.random() < 0.2:
        uneven.append((1, random.uniform(0.1, 0.4), random.uniform(0, 6.3)))
    return Beat(
        heart=heart,
        cavity=cavity,
        section=math.pi * ((cavity + thicker) ** 2 - cavity**2),
        strands=strands,
        narrower=math.sqrt((1 - ejected) / (1 - shortening)),
        shortening=shortening,
        gain=float(np.clip(random.normal(1.05, 0.08), 0.85, 1.25)),
        uneven=tuple(uneven),
        right=random.uniform(0.6, 1.0),
        turn=random.normal(0, 0.12),
        shift=(random.normal(0, 1.5), random.normal(0, 1.5)),
        lift=random.normal(0, 0.015),
        squeezed=random.uniform(0, 1),
    )


def _fitting(heart: Heart, strands: float, cavity: float, left: float) -> tuple[Heart, float]:
    """The heart with a layer of trabeculae, and their section [mm^2]: no more of them (``strands``) and of
    papillary muscles than there is room for where ``left`` of the cavity's section is at end-systole."""
    room = FULL * left * math.pi * cavity**2
    muscles = sum(math.pi * math.prod(disc.half) for disc in heart.papillary) * cavity**2
    smaller = math.sqrt(min(1.0, room / max(muscles, 1e-6)))
    papillary = tuple(
        replace(disc, half=(disc.half[0] * smaller, disc.half[1] * smaller)) for disc in heart.papillary
    )
    strands = min(strands, max(room - muscles, 0.0))
    return replace(heart, papillary=papillary, sponge=layer(cavity, strands) if strands else 0.0), strands


def _resized(disc: Disc, place: float, size: float) -> Disc:
    centre, half = disc.centre, disc.half
    return replace(disc, centre=(centre[0] * place, centre[1] * place), half=(half[0] * size, half[1] * size))


def _kept(disc: Disc, unit: float) -> Disc:
    """Of the same size in another unit; at most as large as papillary muscles are drawn."""
    return replace(disc, half=(min(disc.half[0] * unit, 0.45), min(disc.half[1] * unit, 0.45)))
