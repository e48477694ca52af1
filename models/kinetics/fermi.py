"""The Fermi function as the impulse response of a first pass."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from models.kinetics.quadrature import repeated


@dataclass(frozen=True)
class Fermi:
    """F (1 + b) / (1 + b exp(a t)): the flow is its value at 0.

    Holds for the first pass only. Source: Jerosch-Herold et al., Med Phys 25 (1998) 73.
    """

    names: ClassVar[tuple[str, ...]] = ("flow", "a", "b")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters flow [1/s], a [1/s] and b."""
        flow = parameters[:, :1]
        rate, shape = (parameters[:, i, None, None] for i in (1, 2))
        bounds = times.clamp(min=0).expand(len(parameters), -1)
        return flow * repeated(lambda t: _residue(rate, shape, t), bounds, order=2)


def _residue(rate: torch.Tensor, shape: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """R(t), 1 at 0; written so that no exponential overflows."""
    falling = torch.exp(-rate * times)
    return (1 + shape) * falling / (falling + shape)
