"""Answers of a tissue model on a grid of its parameters, and what lies between them.

The grid is even in the logarithms. What a tissue holds of an input so many samples ago does not depend on the
input, so the table is made before the scan ends; an input and moments then turn it into curves.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from models.kinetics.response import Model, toeplitz, weights
from models.perfusion.curves import interpolation

PIECE = 1024
"""Parameter sets whose responses are computed at a time."""

SOME = 3
"""One of so many delays is enough to know which curves there are."""

RANK = 5e-4
"""Directions of curves below this part of the largest singular value are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Responses of a model by parameter."""

    names: tuple[str, ...]
    axes: tuple[torch.Tensor, ...]
    """The values of each parameter, float64, even in their logarithms; at least four."""

    weights: torch.Tensor
    """How much of the input m samples ago the tissue holds, float64 [node, m]."""

    step: float
    """Between samples of the input [s]."""

    @property
    def nodes(self) -> torch.Tensor:
        """The parameters of each node, [node, parameter]."""
        return torch.cartesian_prod(*self.axes)

    @property
    def low(self) -> torch.Tensor:
        """The smallest value of each parameter."""
        return torch.stack([axis[0] for axis in self.axes])

    @property
    def high(self) -> torch.Tensor:
        """The largest value of each parameter."""
        return torch.stack([axis[-1] for axis in self.axes])


def make_table(model: Model, ranges: Sequence[tuple[float, float, int]], samples: int, step: float) -> Table:
    """The table of a model; ``ranges`` are (low, high, nodes) of each parameter, in the model's order."""
    axes = tuple(
        torch.logspace(0, 1, count, base=high / low, dtype=torch.float64) * low for low, high, count in ranges
    )
    nodes = torch.cartesian_prod(*axes)
    found = [weights(model, piece, samples, step) for piece in _pieces(nodes)]
    return Table(names=model.names, axes=axes, weights=torch.cat(found), step=step)


def _pieces(nodes: torch.Tensor) -> list[torch.Tensor]:
    return [nodes[start : start + PIECE] for start in range(0, len(nodes), PIECE)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The curves of a table for one input at given moments, in a basis of what they need."""

    table: Table
    delays: torch.Tensor
    """[s], ascending, even."""

    basis: torch.Tensor
    """Orthonormal, float64 [moment, rank]."""

    data: torch.Tensor
    """float32, [delay, node, rank]."""

    @functools.cached_property
    def strides(self) -> tuple[int, ...]:
        """How many nodes one step along each parameter is."""
        sizes = [len(axis) for axis in self.table.axes]
        return tuple(int(torch.tensor(sizes[1 + each :]).prod()) for each in range(len(sizes)))

    def at(self, delay: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Curves [curve, rank] and their derivatives by ``place`` [curve, rank, parameter].

        ``delay`` index [curve]; ``place`` float32 [curve, parameter] in steps of the axes. Between the nodes
        they are polynomials of third degree through four of them along each parameter.
        """
        rows, count = place.shape
        sizes = torch.tensor([len(axis) for axis in self.table.axes])
        first = (place.floor().to(torch.long) - 1).clamp(min=0).minimum(sizes - 4)
        values, slopes = _lagrange(place - first)
        index = (delay * self.data.shape[1] + first[:, -1])[:, None]
        for each in range(count - 1):
            along = (first[:, each : each + 1] + torch.arange(4)) * self.strides[each]
            index = (index[:, :, None] + along[:, None]).reshape(rows, -1)
        parts = [self._windows[index].reshape(rows, 4**count, -1)]
        for each in range(count):
            parts = _contract(parts, values[:, each], slopes[:, each])
        curve, *derivatives = (part[:, 0] for part in parts)
        return curve, torch.stack(derivatives, -1)

    @functools.cached_property
    def _windows(self) -> torch.Tensor:
        """Four nodes along the last parameter from each node on, side by side, a view."""
        rank = self.data.shape[-1]
        nodes = self.data.numel() // rank
        return self.data.as_strided((nodes - 3, 4 * rank), (rank, 1))


def _contract(parts: list[torch.Tensor], value: torch.Tensor, slope: torch.Tensor) -> list[torch.Tensor]:
    """The first parameter left summed out of each part [curve, node, rank]; behind them, by its slope."""
    rank = parts[0].shape[-1]
    rows = len(value)

    def summed(part: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return torch.bmm(by[:, None], part.reshape(rows, 4, -1)).reshape(rows, -1, rank)

    return [*(summed(part, value) for part in parts), summed(parts[0], slope)]


def _lagrange(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of the samples at 0, 1, 2, 3 for the value at ``x`` and for the slope there, [..., 4]."""
    a, b, c = x - 1, x - 2, x - 3
    value = torch.stack([-a * b * c / 6, x * b * c / 2, -x * a * c / 2, x * a * b / 6], -1)
    slope = torch.stack(
        [
            -(a * b + a * c + b * c) / 6,
            (x * b + x * c + b * c) / 2,
            -(x * a + x * c + a * c) / 2,
            (x * a + x * b + a * b) / 6,
        ],
        -1,
    )
    return value, slope


def answer(
    table: Table, arterial: torch.Tensor, start: float, moments: torch.Tensor, delays: torch.Tensor
) -> Answers:
    """What tissue holds at ``moments`` [s] after an input [mM] every ``table.step`` s from ``start`` [s].

    ``delays`` [s]: how much later the input arrives in the tissue. Before ``start`` there is nothing.
    """
    count = min(len(arterial), table.weights.shape[1])
    arterial = arterial[:count].to(torch.float64)
    knots = start + table.step * torch.arange(count, dtype=torch.float64)
    convolved = toeplitz(arterial)
    seen = [convolved @ _seen(knots, moments - delay) for delay in delays]
    weights = table.weights[:, :count]
    sample = (weights @ torch.cat(seen[::SOME], 1)).reshape(-1, len(moments))
    values, vectors = torch.linalg.eigh(sample.mT @ sample)
    basis = vectors[:, values > RANK**2 * values[-1]].flip(1)
    data = (weights @ torch.cat([each @ basis for each in seen], 1)).to(torch.float32)
    data = data.reshape(len(data), len(delays), -1).swapaxes(0, 1).contiguous()
    return Answers(table=table, delays=delays, basis=basis, data=data)


def _seen(knots: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """The matrix from a curve at ``knots`` to its values at moments, [knot, moment]; 0 before the first."""
    return (interpolation(knots, moments) * (moments >= knots[0])[:, None]).mT
