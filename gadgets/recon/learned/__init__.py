"""Learned reconstruction: unrolled networks, with the linear image beside them."""

from gadgets.recon.learned.gadget import Unrolled

__all__ = ["Unrolled"]
