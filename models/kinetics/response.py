"""From the input to the tissue: the convolution, exact for an input that is linear between its samples."""

from typing import Protocol

import torch


class Model(Protocol):
    """A linear, time-invariant tissue, described by its answer to a ramp.

    The ramp response is the twice integrated impulse response. An input that is linear between samples is a
    sum of ramps, so its tissue curve needs no finer time step (rectangles of 0.5 s bias the flow by 3-6 %).
    """

    @property
    def names(self) -> tuple[str, ...]:
        """What the parameters are called, in their order."""

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Tissue concentration [mM] for the input c(t) = t [mM], 0 for t < 0.

        ``parameters`` float64 [set, parameter], ``times`` float64 [set or 1, sample]; the answer
        [set, sample].
        """


def tissue(
    model: Model,
    parameters: torch.Tensor,
    arterial: torch.Tensor,
    step: float,
    delay: torch.Tensor | None = None,
) -> torch.Tensor:
    """Tissue curves [mM], float64 [set, sample].

    ``parameters`` [set, parameter]; ``arterial`` [sample], the input [mM] every ``step`` seconds, linear in
    between and rising from 0 over the sample before the first; ``delay`` [set], how much later it comes [s].
    """
    return weights(model, parameters, len(arterial), step, delay) @ toeplitz(arterial)


def columns(parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The parameters one by one, each [set, 1]."""
    return tuple(parameters[:, each : each + 1] for each in range(parameters.shape[1]))


def weights(
    model: Model, parameters: torch.Tensor, count: int, step: float, delay: torch.Tensor | None = None
) -> torch.Tensor:
    """How much of the input ``m`` samples earlier a tissue holds, float64 [set, m]: its answer to a hat."""
    times = step * torch.arange(-1, count + 1, dtype=torch.float64)[None]
    if delay is not None:
        times = times - delay.to(torch.float64)[:, None]
    answer = model.ramp(parameters.to(torch.float64), times)
    return (answer[:, 2:] - 2 * answer[:, 1:-1] + answer[:, :-2]) / step


def toeplitz(arterial: torch.Tensor) -> torch.Tensor:
    """The input as the matrix that convolves with it from the right, float64 [m, sample]."""
    count = len(arterial)
    padded = torch.cat([arterial.new_zeros(count - 1), arterial]).to(torch.float64)
    return padded.unfold(0, count, 1).flip(0)
