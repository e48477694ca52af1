"""Repeated integrals of a smooth function, by Gauss-Legendre quadrature between the samples."""

import functools
from collections.abc import Callable

import numpy as np
import torch

NODES = 6
"""Per interval; the functions here are smooth over a second."""


@functools.cache
def _legendre(nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights on [0, 1], float64."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy((x + 1) / 2), torch.from_numpy(w / 2)


def repeated(
    function: Callable[[torch.Tensor], torch.Tensor], bounds: torch.Tensor, order: int, nodes: int = NODES
) -> torch.Tensor:
    """The ``order``-fold integral of ``function`` from the first of ``bounds`` to each of them.

    ``bounds`` float64 [set, sample], ascending; ``function`` takes and gives [set, sample, node].
    Cauchy: I_q(b) = int (b - u)^(q-1) / (q-1)! f(u) du; each interval adds its own moments, and what the
    lower orders have grown to by its start.
    """
    places, shares = _legendre(nodes)
    start, length = bounds[:, :-1], bounds.diff(dim=1)
    values = function(start[..., None] + length[..., None] * places) * shares
    total: list[torch.Tensor] = []
    power = torch.ones_like(places)
    for q in range(order):
        moment = (values * power).sum(-1) * length ** (q + 1)
        for lower, grown in enumerate(total):
            lag = q - lower
            moment = moment + grown[:, :-1] * length**lag / _factorial(lag)
        summed = torch.nn.functional.pad(moment.cumsum(1), (1, 0))
        total.append(summed)
        power = power * (1 - places) / (q + 1)
    return total[-1]


def _factorial(number: int) -> int:
    return 1 if number < 2 else number * _factorial(number - 1)
