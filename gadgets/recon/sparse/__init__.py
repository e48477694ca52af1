"""Sparse images: wavelets, total variation, and the iteration that finds them."""

from gadgets.recon.sparse.gadget import IterativeSense

__all__ = ["IterativeSense"]
