"""Echo-planar readouts: ramp sampling and the ghost of alternating lines."""

from gadgets.readout.epi.ghost import CorrectEpi
from gadgets.readout.epi.regrid import RegridEpi

__all__ = ["CorrectEpi", "RegridEpi"]
