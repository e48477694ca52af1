"""Lesions in real scans of one channel: what a learned image keeps of them, and what it makes up.

No channel helps to tell apart what the missing lines have folded, so that a network is left to what it has
learned. Scattered lines of a whole scan, in the SNR units that its own outer lines give; discs are put into
the object, and both images of the same lines are compared with and without them.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.unrolled_quality import setup
from benchmarks.wavelet import psnr
from gadgets.arrays import resize, to_image
from gadgets.recon.learned.setting import Setting
from models.errors import ModelError
from models.operator import dft
from models.runner import Backend, start
from models.train.masks import Pattern, scattered
from models.zoo import Model, load

SCANS = {
    "T2 brain": ("cartesian/brain1_t2.mat", "kData", (240, 256)),
    "knee": ("cartesian/knee1_fatsat.mat", "kdata", (240, 256)),
    "heart": ("cine/sax_one_frame.mat", "kspace_full", (240, 256)),
}
"""Name: file, variable, and the matrix (y, x) that is taken of its centre."""

FACTORS, LINES, RADII, CONTRAST = (2, 3), 24, (1, 2, 4), 0.2
LEAST = {1: 0.7, 2: 0.85, 4: 0.95}
"""Of the linear image's contrast, by a lesion's radius, as in ``failures``."""

APART, COUNT = 24, 8
"""Pixels between lesions, at least; how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A model and one scan."""

    model: Model
    backend: Backend
    kspace: torch.Tensor
    """complex64 [channel, k1, x], SNR units."""

    pattern: Pattern

    def setting(self) -> Setting:
        """The map and operator from the reference lines."""
        return setup(self.kspace, self.pattern)

    def images(self, kspace: torch.Tensor, setting: Setting) -> dict[str, torch.Tensor]:
        """The learned and the linear image of the window's lines, magnitudes [y, x]."""
        adjoint = setting.coils.adjoint(kspace, setting.weights)
        linear = setting.linear(adjoint)
        design = self.model.card.design
        found = self.backend.infer(setting.inputs(adjoint, linear, design))
        return {"learned": setting.image(found, adjoint, design)[0].abs(), "linear": linear[0].abs()}


def run() -> Iterator[Figure]:
    """By scan and acceleration."""
    try:
        model = load(os.environ.get("SCANSIDE_MODEL", "unrolled-2d"))
    except ModelError as error:
        raise SkippedError(str(error)) from None
    backend = start(model)
    for name, (file, variable, matrix) in SCANS.items():
        kspace = _scan(file, variable, matrix)
        for factor in FACTORS:
            pattern = scattered(np.random.default_rng([5, factor]), kspace.shape[-2], factor, LINES)
            bench = Bench(model=model, backend=backend, kspace=kspace, pattern=pattern)
            yield from _judged(bench, f"{name}, R = {factor}")


def _scan(file: str, variable: str, matrix: tuple[int, int]) -> torch.Tensor:
    """Lines over x of the central matrix in SNR units, complex64 [1, k1, x].

    Noise is taken from the corners of k-space, where nothing else is (median of the magnitude).
    """
    try:
        import scipy.io
    except ImportError:
        raise SkippedError("scipy is not installed") from None
    values = scipy.io.loadmat(str(data_file(file)))[variable]
    whole = torch.from_numpy(np.ascontiguousarray(values, np.complex64))
    if whole.shape[0] > whole.shape[1] and variable == "kspace_full":
        whole = whole.T.contiguous()
    corner = whole[: whole.shape[0] // 12, : whole.shape[1] // 12].abs()
    sd = float(corner[corner > 0].median()) / math.sqrt(2 * math.log(2))
    lines = resize(resize(whole / sd, -1, matrix[1]), -2, matrix[0])
    return to_image(lines, (-1,))[None]


def _judged(bench: Bench, name: str) -> Iterator[Figure]:
    """Quality without lesions, then what is kept of each size of them and what appears elsewhere."""
    setting = bench.setting()
    lines = setting.window.cut(bench.kspace, -2)
    whole = to_image(lines, (-2,))[0]
    truth = whole.abs()
    inside = setting.coils.maps[0].abs().amax(0) > 0
    before = bench.images(lines, setting)
    over = {each: psnr(image, truth, inside) for each, image in before.items()}
    note = f"linear {over['linear']:.2f}, learned {over['learned']:.2f}"
    yield Figure(
        name=f"{name}: learned over linear",
        value=over["learned"] - over["linear"],
        unit="dB",
        note=f"{note}; against a whole scan with its noise",
    )
    for radius in RADII:
        discs, near = _discs(truth, radius)
        height = CONTRAST * float(truth.max())
        change = dft(len(truth)) @ (height * discs * torch.polar(torch.ones_like(truth), whole.angle()))[None]
        after = bench.images(lines + change, setting)
        yield from _lesions(before, after, height, radius, discs, near, name)


def _lesions(
    before: dict[str, torch.Tensor],
    after: dict[str, torch.Tensor],
    height: float,
    radius: int,
    discs: torch.Tensor,
    near: torch.Tensor,
    name: str,
) -> Iterator[Figure]:
    """What images before and after show of lesions of that ``height`` in the discs, and not ``near`` them."""
    seen = {each: after[each] - before[each] for each in before}
    kept = {each: float(found[discs].mean()) / height for each, found in seen.items()}
    ghosts = {each: float(found[~near].square().mean().sqrt()) / height for each, found in seen.items()}
    yield Figure(
        name=f"{name}: lesions of radius {radius}, contrast over the linear image's",
        value=kept["learned"] / kept["linear"],
        limit=LEAST[radius],
        sense="at least",
        note=f"linear {kept['linear']:.2f}, learned {kept['learned']:.2f}",
    )
    yield Figure(
        name=f"{name}: lesions of radius {radius}, change elsewhere over the linear image's",
        value=ghosts["learned"] / ghosts["linear"],
        limit=1.0,
        note=f"rms over the lesion: linear {ghosts['linear']:.3f}, learned {ghosts['learned']:.3f}",
    )


def _discs(truth: torch.Tensor, radius: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Discs inside the object and what is within four pixels of one, bool [y, x]."""
    y, x = torch.arange(truth.shape[0]).float()[:, None], torch.arange(truth.shape[1]).float()[None]
    peak = float(truth.max())
    places = ((truth > 0.1 * peak) & (truth < 0.6 * peak)).nonzero()
    chosen: list[tuple[int, int]] = []
    for index in np.random.default_rng(13).permutation(len(places)):
        row, column = places[int(index)].tolist()
        if all(math.hypot(row - other[0], column - other[1]) > APART for other in chosen):
            chosen.append((row, column))
    far = torch.stack([torch.hypot(y - row, x - column) for row, column in chosen[:COUNT]]).amin(0)
    return far <= radius, far <= radius + 4
