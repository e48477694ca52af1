"""Blood flow that one scan leaves for another of the same patient."""

import math
from dataclasses import dataclass

OTHER = {"stress": "rest", "rest": "stress"}
"""What a scan in one state needs for a reserve."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptFlow:
    """Flow of a first pass, as one scan leaves it for another of the same patient."""

    state: str
    """``stress`` or ``rest``."""

    model: str = ""
    conversion: str = ""
    """What the look-up tables of blood and of muscle were made of."""

    dispersion: float = math.nan
    """Of the input, as it was assumed [s]."""

    haematocrit: float = math.nan
    mbf: tuple[float, ...] = ()
    """Of the segments 1 to 16 [ml/min/g], not-a-number where there is none."""

    sd: tuple[float, ...] = ()
    """Their standard errors."""

    whole: float = math.nan
    """Of all of the muscle."""

    flags: tuple[str, ...] = ()
    """What a reader has to know of it."""

    origin: str = ""
    """Pseudonym of the scan that it is of; empty for what this scan leaves."""

    hours: float = 0.0
    """Since it was made."""

    refusals: tuple[str, ...] = ()
    """Why it is not to be used with this scan: it is another's, or too old."""


def state_of(said: object) -> str:
    """``stress`` or ``rest`` as a header says it; empty for anything else."""
    word = str(said).strip().lower()
    return word if word in OTHER else ""
