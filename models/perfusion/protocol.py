"""What has to be known of a scan before a signal becomes a concentration. Nothing has a default."""

from dataclasses import dataclass

from models.kinetics.concentration import Readout

NATIVE = {1.5: (1.7, 1.1), 3.0: (2.0, 1.3)}
"""T1 [s] of blood and of muscle without contrast agent, by field strength [T] (open flow-mapping code of the
NIH)."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Sequence, tissue and agent."""

    muscle: Readout
    arterial: Readout
    """Of the slices, and of the low-resolution images of the arterial input."""

    echo_times: tuple[float, ...]
    """Of the arterial images [s]; one where T2* is not measured."""

    t1_blood: float
    t1_muscle: float
    """Without contrast agent [s]."""

    relaxivity: float
    """r1 [1 / (mM s)]."""
