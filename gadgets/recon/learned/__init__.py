"""Learned reconstruction: unrolled networks, with the linear image beside them."""

from gadgets.recon.learned.cine import UnrolledCine
from gadgets.recon.learned.gadget import Unrolled
from gadgets.recon.learned.plug import PlugAndPlay

__all__ = ["PlugAndPlay", "Unrolled", "UnrolledCine"]
