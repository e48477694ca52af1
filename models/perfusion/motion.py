"""Breathing taken out of a first pass: each frame registered to a low-rank model of the series.

A model image has the contrast of its own moment, so that the passage of the bolus is not mistaken for motion:
what the few strongest patterns over time explain is contrast, what moves from frame to frame is not. The
model is made again from the frames as they are then. Principle: H. Xue et al., MRM 83 (2020) 712 and earlier
work of that group (registration to model images).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.perfusion.patterns import low_rank
from models.perfusion.resample import blur, warp
from models.perfusion.rigid import shifts
from models.perfusion.strays import unlike
from models.perfusion.through import grown, still

Flow = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""From a model image and a frame [y, x] to the displacement [(y, x), y, x] at which the frame shows it."""

RANK = 5
"""Patterns over time in the model."""

WORST = 0.25
"""Of a frame's difference to its model, relative to it: beyond it the frame is not registered."""

UNLIKE = 0.7
"""Of a frame's structure: when the other frames cannot explain as much, it shows something else."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moved:
    """How a series was registered."""

    displacement: torch.Tensor
    """Where in a frame the pixel of the common geometry lies, from that pixel [pixel], float32
    [frame, (y, x), y, x]."""

    left: torch.Tensor
    """What the registered frame and its model still differ by, relative to the model, [frame]."""

    unlike: torch.Tensor
    """Which part of its structure the other frames cannot explain, [frame]; as translations alone laid them,
    for what grows and bends may be made like another heart."""

    @property
    def beyond(self) -> torch.Tensor:
        """Frames that no registration mends, bool [frame]."""
        return (self.left > WORST) | (self.unlike > UNLIKE)

    def numbers(self, used: int) -> list[int]:
        """Which of the acquired frames the ``used`` ones are: all, or those that are not beyond."""
        every = list(range(len(self.left)))
        return every if used == len(every) else (~self.beyond).nonzero().flatten().tolist()


def register(series: torch.Tensor, flow: Flow | None, grows: bool = True) -> Moved:
    """The motion of ``series`` float32 [frame, y, x]: a translation of each frame, a growth with the breath
    where the heart ``grows`` in it (``through``), and what a ``flow`` finds besides."""
    seen = _compressed(series)
    rigid = shifts(seen)
    begin = still(rigid, seen)
    strange = unlike(warp(seen, begin), rigid)
    moved = grown(seen, rigid, strange <= UNLIKE) if grows else begin
    if flow is not None:
        frames = warp(seen, moved)
        model = low_rank(frames, RANK)
        found = [flow(m.numpy(), f.numpy()) for m, f in zip(model, frames, strict=True)]
        moved = moved + torch.from_numpy(np.stack(found).astype(np.float32))
    registered = warp(seen, moved)
    model = low_rank(registered, RANK)
    left = (registered - model).square().mean((1, 2)).sqrt() / model.square().mean((1, 2)).sqrt()
    return Moved(displacement=moved, left=left, unlike=strange)


def _compressed(series: torch.Tensor) -> torch.Tensor:
    """The square root of the series over its bright end, smoothed a little: muscle counts beside blood."""
    top = torch.quantile(series.flatten()[:: max(1, series.numel() // 100_000)], 0.99)
    root = (series / top.clamp(min=1e-12)).clamp(0, 1.5).sqrt()
    return blur(root, 0.7)


def total_variation(model: NDArray[np.float32], frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """TV-L1 optical flow (C. Zach et al., DAGM 2007) by scikit-image."""
    from skimage.registration import optical_flow_tvl1

    found: NDArray[np.float32] = optical_flow_tvl1(  # type: ignore[no-untyped-call]
        model, frame, attachment=15, tightness=0.3, num_warp=3, num_iter=5, dtype=np.float32
    )
    return found


def lucas_kanade(model: NDArray[np.float32], frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Iterative Lucas-Kanade optical flow (G. Le Besnerais, F. Champagnat, ICIP 2005) by scikit-image."""
    from skimage.registration import optical_flow_ilk

    found: NDArray[np.float32] = optical_flow_ilk(  # type: ignore[no-untyped-call]
        model, frame, radius=7, num_warp=5, dtype=np.float32
    )
    return found
