"""Split mode on a real brain with both axes undersampled (2 x 2, 20 x 20 reference samples).

The reference is the full scan combined with the same maps; all share BART's (``ecalib -m1``), and the linear
and the L1-wavelet image are tuned on this very image.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks import rivals
from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.rivals import Task
from benchmarks.unrolled_quality import brain
from benchmarks.wavelet import Peer, first_weight, psnr
from gadgets.arrays import to_image, to_kspace
from models.errors import ModelError
from models.inputs import signal, tikhonov, trained
from models.nets.unrolled import Unrolled
from models.operator import Transformed
from models.split import unrolled
from models.zoo import load
from server.files.arrays import arrange, read_array

UNDERSAMPLED = "cartesian/brain8_und2x2.cfl"
CENTRE, REPLICAS = 20, 16
WEIGHTS = (0.003, 0.01, 0.03, 0.1, 0.3)


def run() -> Iterator[Figure]:
    """PSNR of the learned image over the best linear one, and over L1-wavelet [dB]."""
    try:
        model = load(os.environ.get("SCANSIDE_MODEL", "unrolled-2d"))
    except ModelError as error:
        raise SkippedError(str(error)) from None
    network = model.network
    if not isinstance(network, Unrolled) or network.design.consistency != "proximal":
        raise SkippedError(f"{model.card.name} is no proximal network")
    clean, own = brain()
    scan = _scan(clean, own)
    learned = scan.judged(_learned(network, scan))
    best = max(scan.judged(scan.solve(scan.adjoint, weight)) for weight in WEIGHTS)
    peer = Peer(
        lines=to_kspace(clean, (-1,)) * scan.mask,
        maps=scan.operator.maps[0, :, 0],
        truth=scan.truth * own,
        inside=scan.inside,
    )
    _, wavelet = peer.tuned(first_weight(own))
    note = f"learned {learned:.2f}, best linear {best:.2f}, L1-wavelet {wavelet:.2f}"
    yield Figure(
        name="2 x 2: over the best linear image",
        value=learned - best,
        unit="dB",
        limit=0.0,
        sense="at least",
        note=note,
    )
    yield Figure(name="2 x 2: over L1-wavelet", value=learned - wavelet, unit="dB")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scan:
    """All in SNR units."""

    mask: torch.Tensor
    operator: Transformed
    adjoint: torch.Tensor
    truth: torch.Tensor
    inside: torch.Tensor
    scale: float

    def solve(self, adjoint: torch.Tensor, weight: float) -> torch.Tensor:
        return self.operator.proximal(adjoint, torch.zeros_like(adjoint), weight, 60)

    def judged(self, image: torch.Tensor) -> float:
        return psnr(image[0, 0].abs(), self.truth, self.inside)

    def sd(self, weight: float) -> torch.Tensor:
        """Noise of the Tikhonov image from replicas, averaged over 5 x 5 pixels, float32 [y, x]."""
        generator = torch.Generator().manual_seed(0)
        shape = self.operator.maps.shape[1:]
        total = torch.zeros(shape[-2:])
        for _ in range(REPLICAS):
            noise = torch.complex(*torch.randn(2, *shape, generator=generator))
            total += self.solve(self.operator.adjoint(noise), weight)[0, 0].abs().square() / 2
        mean = torch.nn.functional.avg_pool2d(total[None, None] / REPLICAS, 5, 1, 2, count_include_pad=False)
        return mean[0, 0].sqrt()


def _scan(clean: torch.Tensor, own: float) -> _Scan:
    theirs = torch.from_numpy(arrange(read_array(data_file(UNDERSAMPLED)), 1, 2, 3)[0])
    full = to_kspace(clean, (-1,)) / own
    mask = (theirs.abs().sum(0) > 0).float()
    maps = _maps((full * mask).numpy())
    operator = Transformed(
        maps=maps[None, :, None], weights=mask, axes=(-2, -1), to_kspace=to_kspace, to_image=to_image
    )
    middle = torch.zeros_like(mask)
    rows, columns = (slice(size // 2 - CENTRE // 2, size // 2 + CENTRE // 2) for size in mask.shape)
    middle[rows, columns] = 1
    low = torch.linalg.vecdot(maps, to_image(full * middle, (-2, -1)), dim=0)
    return _Scan(
        mask=mask,
        operator=operator,
        adjoint=operator.adjoint((full * mask)[:, None]),
        truth=torch.linalg.vecdot(maps, to_image(full, (-2, -1)), dim=0).abs(),
        inside=maps.abs().amax(0) > 0,
        scale=signal(low[None], maps[None]),
    )


def _maps(lines: np.ndarray[tuple[int, ...], np.dtype[np.complex64]]) -> torch.Tensor:
    found = rivals.answers(
        [Task(peer="bart", what="maps", lines="lines", mask="")], {"lines": lines}, times=0, threads=1
    )
    return torch.from_numpy(np.ascontiguousarray(found[0][0][0]))


def _learned(network: Unrolled, scan: _Scan) -> torch.Tensor:
    weight = tikhonov(scan.scale)
    linear = scan.solve(scan.adjoint, weight)
    parts = (scan.adjoint / scan.scale, linear / scan.scale, scan.sd(weight) / scan.scale)
    return unrolled(network, scan.operator, *parts, trained(scan.scale))
