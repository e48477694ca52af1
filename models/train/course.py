"""The course of a training: step after step, what is told, checkpoints, the end by steps or by time."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from models.nets.unrolled import Design, Unrolled
from models.train.machine import Machine, Pace
from models.train.state import Network, State

Tell = Callable[[int, float], None]
"""Hears of each step and its loss."""

OFTEN = 20
"""Steps after which a training on a GPU tells its loss: to ask more often would make it wait."""


def unrolled(
    design: Design, rate: float, average: float, folder: Path, device: torch.device
) -> State[Unrolled]:
    """A new unrolled network; ``rate`` of learning at its highest, ``average`` of the weights over steps."""
    model = Unrolled(design).to(device)
    fused = device.type == "cuda"
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99), fused=fused)
    return State(folder, model, Unrolled(design).to(device), optimiser, average)


def follow(
    state: State[Network],
    steps: int,
    every: int,
    batches: Iterable[tuple[torch.Tensor, ...]],
    learn: Callable[[tuple[torch.Tensor, ...], int], torch.Tensor],
    judge: Callable[[Network], dict[str, float | list[float]]] | None,
    tell: Tell | None,
    machine: Machine,
) -> None:
    """Learn up to ``steps``, or to the machine's deadline; save ``every`` so many and at the end.

    ``learn`` takes a batch and the step of the whole schedule, and gives the loss; ``judge`` tells how good
    the smoothed model is; None: nothing is saved.
    """
    pace = Pace(steps, state.step, machine.deadline)
    for batch in batches:
        loss = learn(batch, pace.at(state.step))
        if tell and (machine.device.type == "cpu" or state.step % OFTEN == 0):
            tell(state.step, float(loss))
        over = pace.at(state.step) >= steps
        if judge and (state.step % every == 0 or over):
            state.save(**judge(state.smooth))
        if over:
            return
