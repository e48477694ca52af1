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

ROWS = 512
"""Curves whose nodes are looked up at a time: each asks for 15 kB between."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Responses of a model by parameter."""

    names: tuple[str, ...]
    axes: tuple[torch.Tensor, ...]
    """The values of each parameter, float64, even in their logarithms; at least four."""

    weights: torch.Tensor
    """How much of the input m samples ago the tissue holds, float32 [node, m]."""

    gram: torch.Tensor
    """Products of these weights, summed over the nodes, float64 [m, m]: which curves there can be."""

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
    found = torch.cat([weights(model, piece, samples, step) for piece in _pieces(nodes)])
    return Table(
        names=model.names, axes=axes, weights=found.to(torch.float32), gram=found.mT @ found, step=step
    )


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
        sizes = torch.tensor([len(axis) for axis in self.table.axes])
        nodes = self.data.flatten(0, 1)
        found = []
        for each, at in zip(torch.split(place, ROWS), torch.split(delay, ROWS), strict=True):
            first = (each.floor().to(torch.long) - 1).clamp(min=0).minimum(sizes - 4)
            index = self._around(at, first)
            values, slopes = _lagrange(each - first)
            by = _products(values, slopes)
            sums = torch.nn.functional.embedding_bag(
                index[:, None].expand(by.shape).flatten(0, 1),
                nodes,
                mode="sum",
                per_sample_weights=by.flatten(0, 1),
            )
            found.append(sums.reshape(len(each), -1, nodes.shape[-1]))
        curves = torch.cat(found)
        return curves[:, 0], curves[:, 1:].mT

    def _around(self, delay: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """Rows of the four nodes along each parameter from the ``first`` on, int32 [curve, node]."""
        index = (delay * self.data.shape[1])[:, None].to(torch.int32)
        for each, stride in enumerate(self.strides):
            along = ((first[:, each : each + 1] + torch.arange(4)) * stride).to(torch.int32)
            index = (index[:, :, None] + along[:, None]).flatten(1)
        return index


def _products(values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Weights of the nodes around each curve, [curve, 1 + parameter, node]: for its value, for each slope.

    From those along each parameter, [curve, parameter, 4].
    """
    out = values.new_ones(len(values), 1, 1)
    for value, slope in zip(values.unbind(1), slopes.unbind(1), strict=True):
        all_by_value = out[..., None] * value[:, None, None]
        first_by_slope = out[:, :1, :, None] * slope[:, None, None]
        out = torch.cat([all_by_value, first_by_slope], 1).flatten(2)
    return out


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
    later = (moments[None] - delays[:, None]).flatten()
    seen = (toeplitz(arterial) @ _seen(knots, later)).reshape(count, len(delays), -1)
    some = seen[:, ::SOME].flatten(1)
    weighted = (table.gram[:count, :count] @ some).reshape(-1, len(moments))
    values, vectors = torch.linalg.eigh(some.reshape(-1, len(moments)).mT @ weighted)
    basis = vectors[:, values > RANK**2 * values[-1]].flip(1)
    data = table.weights[:, :count] @ (seen @ basis).to(torch.float32).flatten(1)
    data = data.reshape(len(data), len(delays), -1).swapaxes(0, 1).contiguous()
    return Answers(table=table, delays=delays, basis=basis, data=data)


def _seen(knots: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """The matrix from a curve at ``knots`` to its values at moments, [knot, moment]; 0 before the first."""
    return (interpolation(knots, moments) * (moments >= knots[0])[:, None]).mT
