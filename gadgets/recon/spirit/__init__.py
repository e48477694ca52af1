"""SPIRiT: k-space that agrees with itself and with what was acquired."""

from gadgets.recon.spirit.gadget import Spirit

__all__ = ["Spirit"]
