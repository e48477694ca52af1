"""Sums of whole arrays that do not depend on how many threads share the work."""

import torch

ROW = 4096
"""So many elements are added by one thread; a sum of all to one number torch would split by threads."""


def total(array: torch.Tensor) -> complex:
    """The sum of all elements, added in float64: real for real arrays."""
    flat = array.flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % ROW)).reshape(-1, ROW)
    kind = torch.complex128 if array.is_complex() else torch.float64
    value: complex = padded.sum(1, dtype=kind).sum().item()
    return value


def energy(array: torch.Tensor) -> float:
    """The sum of the squared magnitudes of all elements."""
    parts = torch.view_as_real(array.resolve_conj()) if array.is_complex() else array
    return total(parts.square()).real
