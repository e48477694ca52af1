"""GRAPPA: the missing lines of each coil from their neighbours in all coils."""

from gadgets.recon.grappa.gadget import Grappa

__all__ = ["Grappa"]
