"""Coil maps: each is the dominant eigenvector, at every pixel, of some Hermitian field over the coils."""

from gadgets.kspace.coilmaps.gadget import EstimateCoilMaps

__all__ = ["EstimateCoilMaps"]
