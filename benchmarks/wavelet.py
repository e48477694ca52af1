"""BART's L1-wavelet reconstruction of the same lines, its weight tuned on the very image that judges it."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks import rivals
from benchmarks.rivals import Task
from gadgets.arrays import to_image, to_kspace

STEP = 1.6
"""Between weights that are tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Peer:
    """What BART gets: arrays [coil, k1, k0], zeros where no line is; and what judges it [y, x]."""

    lines: torch.Tensor
    maps: torch.Tensor
    truth: torch.Tensor
    inside: torch.Tensor

    @classmethod
    def of(cls, lines: torch.Tensor, full: torch.Tensor) -> "Peer":
        """Maps by ``ecalib -m1 -r24`` from ``lines``; the truth is ``full`` combined with them.

        Both [coil, k1, x], transformed along the readout. Raises SkippedError without BART.
        """
        given = to_kspace(lines, (-1,))
        found = rivals.answers(
            [Task(peer="bart", what="maps", lines="lines", mask="")],
            {"lines": given.numpy()},
            times=0,
            threads=1,
        )
        maps = torch.from_numpy(np.ascontiguousarray(found[0][0][0]))
        truth = torch.linalg.vecdot(maps, to_image(full, (-2,)), dim=0).abs()
        return cls(lines=given, maps=maps, truth=truth, inside=maps.abs().amax(0) > 0)

    def psnr(self, weight: float) -> float:
        """Of ``pics -R W:3:0:weight -i 80`` [dB]."""
        found = rivals.answers(
            [
                Task(
                    peer="bart",
                    what="l1",
                    lines="lines",
                    mask="",
                    maps="maps",
                    weights=(weight,),
                    iterations=80,
                )
            ],
            {"lines": self.lines.numpy(), "maps": self.maps.numpy()},
            times=0,
            threads=1,
        )
        image = torch.from_numpy(np.ascontiguousarray(found[0][0][0]))
        return psnr(image.abs(), self.truth, self.inside)

    def tuned(self, weight: float) -> tuple[float, float]:
        """The best weight, found by climbing from ``weight``, and its PSNR [dB]."""
        known: dict[int, float] = {}

        def value(place: int) -> float:
            if place not in known:
                known[place] = self.psnr(weight * STEP**place)
            return known[place]

        place = 0
        for way in (1, -1):
            while value(place + way) > value(place):
                place += way
        return weight * STEP**place, known[place]


def psnr(image: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> float:
    """Peak over rms error inside the support, at the best scale [dB]."""
    one, other = image[inside].double(), truth[inside].double()
    energy = float(one @ one)
    one = one * (float(one @ other) / energy if energy else 0.0)
    return float(20 * torch.log10(other.amax() / (one - other).square().mean().sqrt()))


def first_weight(level: float) -> float:
    """Where the climb begins, for noise of ``level`` per part in units of the image's peak."""
    return 0.2 * level * math.sqrt(2)
