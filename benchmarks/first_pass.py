"""Real first passes: what breathes is held still, and blood and muscle are found.

Rest and stress of four subjects, a mid slice each (``perfusion/first_pass`` of the data folder: evaluation
only), magnitude without proton density, arterial images or times. One frame a second is assumed. Masks of
readers stand on the frames around the peak of the bolus. Flow cannot be quantified: without proton density
and arterial images there is no concentration.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.figures import Figure, data_file, of
from benchmarks.segmentation import dice, nifti, side
from gadgets.cardiac.perfusion.segment import Network, classical
from models.perfusion.modulation import modulation, way_of
from models.perfusion.motion import Flow, Moved, lucas_kanade, register, total_variation
from models.perfusion.muscle import Heart
from models.perfusion.pools import find_pools, heart_center
from models.perfusion.regions import box_around
from models.perfusion.resample import warp

MODEL = "short-axis"
MUSCLE, LEFT = 1, 2
ENGINES: dict[str, Flow | None] = {"rigid": None, "tvl1": total_variation, "ilk": lucas_kanade}
LEAST = 30
"""Pixels of muscle in a frame whose mask counts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One first pass in a box about the heart."""

    name: str
    frames: torch.Tensor
    """float32 [frame, y, x]."""

    labels: torch.Tensor
    """Of readers, 0 where they drew none, [frame, y, x]."""

    pixel: float
    """[m]."""

    @property
    def times(self) -> torch.Tensor:
        """One frame a second is assumed [s]."""
        return torch.arange(len(self.frames), dtype=torch.float64)

    @property
    def drawn(self) -> torch.Tensor:
        """The frames with a mask."""
        return ((self.labels == MUSCLE).sum((1, 2)) >= LEAST).nonzero().flatten()


def series() -> Iterator[Series]:
    """All of the data folder. Raises SkippedError where there is none."""
    for path in sorted(data_file("perfusion/first_pass").glob("*_mid.nii.gz")):
        drawn = path.with_name(path.name.replace("_mid", "_mid_gt"))
        frames, labels = (
            torch.from_numpy(nifti(each).transpose(2, 0, 1).astype(np.float32)) for each in (path, drawn)
        )
        pixel = side(path) / 1000
        times = torch.arange(len(frames), dtype=torch.float64)
        box = box_around(heart_center(frames, times, pixel), frames.shape)
        yield Series(
            name=path.name.removesuffix("_mid.nii.gz"),
            frames=frames[:, box[0], box[1]].contiguous(),
            labels=labels[:, box[0], box[1]],
            pixel=pixel,
        )


def run() -> Iterator[Figure]:
    """Figures of each series, then their means."""
    network = Network.lent(MODEL, "torch")
    still: dict[str, list[float]] = {name: [] for name in ("as acquired", *ENGINES)}
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    found: dict[str, list[tuple[float, float]]] = {"arrival times": [], "network": [], "gate's choice": []}
    blood = []
    for one in series():
        moved = {}
        for name, flow in ENGINES.items():
            begin = time.process_time()
            moved[name] = register(one.frames, flow)
            seconds[name].append(time.process_time() - begin)
        ways = {name: each.displacement for name, each in moved.items()}
        still_ones = {"as acquired": torch.zeros_like(ways["rigid"])}
        own = {name: agreement(one, way) for name, way in (still_ones | ways).items()}
        for name, values in own.items():
            still[name].append(float(np.mean(values)))
        held = ~moved["tvl1"].beyond
        registered, times = warp(one.frames, ways["tvl1"], "bicubic")[held], one.times[held]
        truth = consensus(one, ways["tvl1"])
        pools = find_pools(registered, times, one.pixel)
        blood.append(pools)
        hearts = {
            "network": network.heart(registered, times, one.pixel),
            "arrival times": classical(registered, times, one.pixel),
        }
        hearts["gate's choice"] = hearts["arrival times" if hearts["network"].reasons else "network"]
        for name, heart in hearts.items():
            found[name].append(_overlap(heart, truth))
        yield Figure(
            name=f"{one.name}: Dice of muscle between frames, as acquired and by tvl1",
            value=still["tvl1"][-1],
            note=f"{still['as acquired'][-1]:.3f}, worst frame {min(own['as acquired']):.2f} ->"
            f" {min(own['tvl1']):.2f}; {_astray(one, moved['rigid'], own['rigid'])}; muscle, LV by network"
            f" {_two(found['network'][-1])}, by arrival times {_two(found['arrival times'][-1])}; "
            + ("; ".join(hearts["network"].reasons) or "network accepted"),
        )
        yield breathing(one, moved["rigid"])
    yield from _summary(still, seconds, found)
    ordered = sum(each.arrival[0] < each.arrival[1] for each in blood)
    yield Figure(name="series with blood of the left ventricle", value=sum(bool(p.left.any()) for p in blood))
    yield Figure(name="series whose right ventricle fills first", value=ordered, note=f"of {len(blood)}")


def _summary(
    still: dict[str, list[float]],
    seconds: dict[str, list[float]],
    found: dict[str, list[tuple[float, float]]],
) -> Iterator[Figure]:
    for name, means in still.items():
        spent = f"{np.mean(seconds[name]):.1f} CPU s a series" if name in seconds else ""
        yield of(f"Dice of muscle between frames, {name}, median series", means, note=spent)
    for name, pairs in found.items():
        for part, values in zip(("muscle", "LV"), zip(*pairs, strict=True), strict=True):
            spread = (min(values), max(values))
            yield Figure(name=f"Dice of {part} by {name}, mean", value=float(np.mean(values)), spread=spread)


def agreement(one: Series, displacement: torch.Tensor) -> list[float]:
    """Dice of each frame's muscle with that of most frames, once they are moved."""
    masks = _warped(one, displacement, MUSCLE)
    common = (masks.float().mean(0) > 0.5).numpy()
    return [dice(mask.numpy(), common) for mask in masks]


def _astray(one: Series, moved: Moved, values: list[float]) -> str:
    """How many frames are beyond correction, and the worst of the others."""
    beyond = moved.beyond
    kept = [value for value, out in zip(values, beyond[one.drawn].tolist(), strict=True) if not out]
    return (
        f"{int(beyond.sum())} of {len(beyond)} frames beyond correction, worst of the others by rigid"
        f" {min(kept, default=float('nan')):.2f}"
    )


def breathing(one: Series, moved: Moved) -> Figure:
    """How much of what a breath seems to do to the muscle's brightness comes again."""
    held = ~moved.beyond
    registered, muscle = (
        warp(one.frames, moved.displacement, "bicubic")[held],
        consensus(one, moved.displacement)[0],
    )
    way = way_of(moved.displacement[held]) * one.pixel
    gain, part = modulation(registered, muscle, way, one.times[held], one.pixel)
    span = 1e3 * float(way.max() - way.min())
    return Figure(
        name=f"{one.name}: part of the breath's modulation that comes again, and is taken out",
        value=part,
        note=f"{float(gain.square().mean().sqrt()):.1f} per m (rms), way {span:.0f} mm",
    )


def consensus(one: Series, displacement: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Muscle and blood of the left ventricle in most of the moved frames, bool [y, x]."""
    muscle, left = (_warped(one, displacement, label).float().mean(0) > 0.5 for label in (MUSCLE, LEFT))
    return muscle, left


def _warped(one: Series, displacement: torch.Tensor, label: int) -> torch.Tensor:
    masks = (one.labels[one.drawn] == label).float()
    return warp(masks, displacement[one.drawn]) > 0.5


def _overlap(heart: Heart, truth: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    muscle, left = truth
    return dice(heart.muscle.numpy(), muscle.numpy()), dice(heart.left.numpy(), left.numpy())


def _two(values: tuple[float, float]) -> str:
    return f"{values[0]:.2f} {values[1]:.2f}"
