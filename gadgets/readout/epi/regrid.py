"""Ramp sampling: echoes under a trapezoidal gradient become profiles over x."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from gadgets.data import Block, Heads, PhaseCorrection
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.head import Flag
from gadgets.readout.epi.trapezoid import trapezoid
from gadgets.readout.oversampling import kept
from gadgets.scan import Encoding, Scan


@dataclass(frozen=True, kw_only=True)
class RegridEpi(Gadget):
    """Transform EPI lines and their reference echoes to profiles over the reconstructed field of view.

    The samples of an echo lie where the trapezoid of the header's ``trajectoryDescription`` puts them, those
    of a line flagged REVERSE in the opposite order; without such a description they lie evenly. The profile
    is the best one (least squares) of an object as wide as the sparsest samples allow. The noise keeps its
    mean sd of 1 over x, and the signal its ratio to that. Lines keep their REVERSE flag for
    ``CorrectEpi``. Other encoding spaces pass.
    """

    def process(
        self, stream: Iterable[Block | PhaseCorrection], scan: Scan
    ) -> Iterator[Block | PhaseCorrection]:
        """Give the same lines over x.

        Raises DataError for times that make no echo.
        """
        operators: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        for item in stream:
            encoding = scan.encoding(item.encoding)
            if encoding.trajectory != "epi" or item.transformed:
                yield item
                continue
            key = item.encoding, item.data.shape[-1]
            if key not in operators:
                operators[key] = regridding(encoding, item.data.shape[-1])
            yield _over_x(item, *operators[key])


def _over_x(
    item: Block | PhaseCorrection, forward: torch.Tensor, backward: torch.Tensor
) -> Block | PhaseCorrection:
    back = reverse(item.head)
    data = np.empty((*item.data.shape[:2], len(forward)), np.complex64)
    for chosen, operator in ((~back, forward), (back, backward)):
        if chosen.any():
            data[chosen] = (torch.from_numpy(item.data[chosen]) @ operator.T).numpy()
    head = item.head.copy()
    head["number_of_samples"], head["center_sample"] = len(forward), len(forward) // 2
    head["discard_pre"] = head["discard_post"] = 0
    return replace(item, head=head, data=data, transformed=True)


def reverse(head: Heads) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which readouts were acquired backwards, [readout]."""
    flagged: np.ndarray[tuple[int], np.dtype[np.bool_]] = (head["flags"] & np.uint64(Flag.REVERSE)) != 0
    return flagged


def regridding(encoding: Encoding, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What turns the samples of forward and of reversed lines into profiles, each complex64 [x, sample]."""
    matrix = encoding.encoded.matrix[0]
    gradient = trapezoid(encoding, samples)
    if gradient is None:
        if samples != matrix:
            raise DataError(f"EPI lines have {samples} samples, but the encoded matrix has {matrix}")
        positions = torch.arange(samples, dtype=torch.float64) - samples // 2
        return profiles(positions, matrix, kept(encoding)), profiles(-positions, matrix, kept(encoding))
    positions = gradient.positions(matrix)
    return profiles(positions, matrix, kept(encoding)), profiles(-positions, matrix, kept(encoding))


def profiles(positions: torch.Tensor, matrix: int, pixels: int) -> torch.Tensor:
    """From samples at k (in 1 / encoded field of view) to ``pixels`` in its middle, complex64 [x, sample].

    The object is as wide as the largest step of k allows, at most the field of view; its k-space on the grid
    that belongs to that width, as far as the samples reach, is found by least squares. The mean noise power
    over x is 1.
    """
    widest = float(positions.diff().abs().max())
    points = min(matrix, 2 * math.floor(matrix / widest / 2))
    width = points / matrix
    grid = torch.arange(points, dtype=torch.float64) - points // 2
    sinc = torch.sinc(positions[:, None] * width - grid)
    x = (torch.arange(pixels, dtype=torch.float64) - pixels // 2) / matrix
    angle = 2 * math.pi / width * torch.outer(x, grid)
    waves = torch.polar(torch.full_like(angle, points**-0.5), angle)
    operator = waves @ torch.linalg.pinv(sinc, rtol=1e-3).to(waves.dtype)
    power = operator.abs().square().sum(1).mean()
    whole: torch.Tensor = operator / power.sqrt()
    return whole.to(torch.complex64)
