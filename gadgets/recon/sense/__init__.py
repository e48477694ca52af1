"""SENSE: one image from all coils, through their maps."""

from gadgets.recon.sense.gadget import Sense

__all__ = ["Sense"]
