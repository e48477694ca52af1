"""A training under way: model, average over steps, optimiser, and the checkpoint that it goes on from."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
CHECKPOINT = "checkpoint.pt"


class State(Generic[Network]):
    """What a folder's checkpoint holds."""

    def __init__(
        self,
        folder: Path,
        model: Network,
        smooth: Network,
        optimiser: torch.optim.Optimizer,
        average: float,
    ) -> None:
        self.folder, self.model, self.optimiser = folder, model, optimiser
        self.smooth = smooth
        """The exponential mean of the weights over steps, which is what a training gives."""
        smooth.load_state_dict(model.state_dict())
        self._highest = [group["lr"] for group in optimiser.param_groups]
        self._average = average
        self._device = next(model.parameters()).device
        self.step = 0
        self._losses: list[torch.Tensor] = []

    def descend(
        self,
        loss: torch.Tensor,
        rate: float,
        largest: float,
        told: torch.Tensor | None = None,
        share: Callable[[Network], None] | None = None,
    ) -> torch.Tensor:
        """The loss of one step down, on its device.

        ``rate`` is relative to the highest, ``largest`` the norm that gradients may have.
        ``share`` acts on the gradients before; ``told`` is the loss of the curve where that is another.
        """
        for group, highest in zip(self.optimiser.param_groups, self._highest, strict=True):
            group["lr"] = highest * rate
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if share:
            share(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), largest)
        self.optimiser.step()
        self.step += 1
        self._smooth()
        self._losses.append((loss if told is None else told).detach())
        return self._losses[-1]

    def _smooth(self) -> None:
        keep = min(self._average, self.step / (self.step + 10))
        with torch.no_grad():
            mean, now = self.smooth.state_dict(), self.model.state_dict()
            names = [name for name, value in now.items() if value.is_floating_point()]
            torch._foreach_lerp_([mean[name] for name in names], [now[name] for name in names], 1 - keep)

    def save(self, **judged: float | list[float]) -> None:
        """Write the checkpoint whole, then a line of the curve with what the model was judged to be."""
        state = {
            "model": self.model.state_dict(),
            "smooth": self.smooth.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        part.rename(self.folder / CHECKPOINT)
        line = {"step": self.step, "loss": float(torch.stack(self._losses).double().mean()), **judged}
        with (self.folder / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
        self._losses = []

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; whether there is one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True, map_location=self._device)
        self.model.load_state_dict(state["model"])
        self.smooth.load_state_dict(state["smooth"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        return True


def rate(step: int, steps: int, warmup: int, decay: float = 1.0) -> float:
    """The learning rate over the highest: up linearly, over the last part ``decay`` down as a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    begin = max(warmup, round((1 - decay) * steps))
    part = (step - begin) / max(1, steps - begin)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(max(part, 0.0), 1.0)))
