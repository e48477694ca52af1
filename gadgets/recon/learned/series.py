"""Frames of a series side by side: what a dynamic network takes of them, and when they are enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from gadgets.data import CoilMaps
from gadgets.recon.learned.setting import Setting, edge
from gadgets.recon.sampling import Frame
from models.forms import pad
from models.inputs import two_channels
from models.operator import dft
from models.sharing import completed
from models.zoo import Inputs

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a dynamic network is shown of one frame."""

    setting: Setting
    lines: torch.Tensor
    """Of the window, complex64 [coil, k1, x]."""

    adjoint: torch.Tensor
    """A^H W y, complex64 [1, y, x]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Member(Seen):
    """One frame with all that is known of it alone."""

    frame: Frame
    maps: CoilMaps
    fresh: bool
    """The setting is used for the first time."""

    linear: torch.Tensor
    """The Tikhonov image of its own lines, complex64 [1, y, x]."""


@dataclass(eq=False)
class Windows(Generic[Item]):
    """Items that are looked at in windows, each with its neighbours on both sides."""

    size: int
    margin: int
    """So many at the edge of a window are looked at again in the next one."""

    held: list[Item] = field(default_factory=list)
    left: int = 0
    """How many of the last ones have not been given."""

    def add(self, item: Item) -> tuple[list[Item], range] | None:
        """A window and which of its items are to be given, when ``item`` makes one whole."""
        self.held = [*self.held[-(self.size - 1) :], item] if self.size > 1 else [item]
        self.left += 1
        if len(self.held) < self.size or self.left < self.size - self.margin:
            return None
        last = self.size - self.margin
        given = range(self.size - self.left, last)
        self.left = self.margin
        return self.held, given

    def rest(self) -> Iterator[tuple[list[Item], range]]:
        """The last window, where something is left to be given."""
        if self.left:
            yield self.held, range(len(self.held) - self.left, len(self.held))


def inputs(members: Sequence[Seen]) -> Inputs:
    """What a dynamic network takes, in units of the first frame's signal; sides made fit.

    It begins at the images of view-shared lines, whose noise is that of all lines where there are maps.
    """
    scale = members[0].setting.scale
    start = shared(members)
    adjoint = [each.adjoint / each.setting.exact.weight for each in members]
    images = (start / scale, torch.cat(adjoint) / scale)
    seen = [(each.setting.coils.maps[0].abs().amax(0) > 0).float() / scale for each in members]
    parts = [torch.stack([two_channels(image) for image in part]) for part in images]
    fed = pad((*parts, torch.stack(seen)[:, None]))
    return fed[0], fed[1], torch.stack([each.setting.steps for each in members]), fed[2]


def shared(members: Sequence[Seen]) -> torch.Tensor:
    """The images of view-shared lines, complex64 [t, y, x]."""
    lines = torch.stack([each.lines for each in members])
    full = completed(lines, torch.stack([each.setting.weights > 0 for each in members]))
    back = dft(lines.shape[-2]).mH
    return torch.cat(
        [each.setting.coils.combine(back @ own) for each, own in zip(members, full, strict=True)]
    )


def images(found: torch.Tensor, members: Sequence[Seen]) -> list[torch.Tensor]:
    """The network's answer [t, 2, y, x] as images in SNR units, complex64 [1, y, x] each."""
    height, width = members[0].adjoint.shape[-2:]
    parts = found[..., :height, :width] * members[0].setting.scale
    return list(torch.complex(parts[:, 0], parts[:, 1])[:, None])


def facts(members: list[Member]) -> dict[str, float]:
    """What a dynamic model's envelope asks for: of the first frame, and of all together.

    The lines in the centre, and those missing at an end, are those of the frames together; acceleration is
    that of the fewest lines.
    """
    each = [member.setting.facts() for member in members]
    together = torch.stack([member.setting.weights > 0 for member in members]).any(0)
    middle = len(together) // 2
    gaps = (~together).nonzero()[:, 0]
    above, below = gaps[gaps >= middle], gaps[gaps < middle]
    first = int(below[-1]) + 1 if len(below) else 0
    last = int(above[0]) if len(above) else len(together)
    return {
        **each[0],
        "acceleration": max(one["acceleration"] for one in each),
        "reference_lines": max(last - first, 0),
        "edge": edge(together),
        "frames": len(members),
    }
