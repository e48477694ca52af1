"""How learned images fail: each way with its figure, beside the linear image's, and a limit.

Simulated scans of held-out families, so that it runs anywhere: the model that comes with the project, maps
and operator as ``Unrolled`` has them. Differences are learned minus linear [dB] unless said otherwise.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError
from benchmarks.unrolled_quality import setup
from benchmarks.wavelet import psnr
from gadgets.recon.learned.setting import Setting
from models.errors import ModelError
from models.operator import Coils, dft, proximal
from models.runner import Backend, start
from models.train.masks import Pattern, uniform
from models.train.samples import subject
from models.zoo import Model, load

SHAPE = 120, 96
LINES = 24
"""120 lines can be divided by every R here, so that the window is the whole matrix."""
FAMILIES = ("cells", "other photograph")


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """A simulated scan."""

    images: torch.Tensor
    """Of the coils, without noise, complex64 [coil, y, x]; peak 1."""

    snr: float = 30.0
    pattern: Pattern
    seed: int = 0
    louder: float = 1.0
    """How much more noise there is than the whitening has found."""

    @cached_property
    def kspace(self) -> torch.Tensor:
        """All lines in SNR units, complex64 [coil, k1, x]."""
        random = np.random.default_rng([7, self.seed])
        noise = torch.from_numpy(random.standard_normal((*self.images.shape, 2), dtype=np.float32))
        clean = dft(SHAPE[0]) @ self.images * (self.snr * math.sqrt(2))
        return clean + self.louder * torch.view_as_complex(noise)

    @cached_property
    def setting(self) -> Setting:
        """Maps and operator from the reference lines."""
        return setup(self.kspace, self.pattern)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """The model, and what it makes of scans."""

    model: Model
    backend: Backend

    def images(
        self, scan: Scan, kspace: torch.Tensor | None = None, setting: Setting | None = None
    ) -> dict[str, torch.Tensor]:
        """The learned and the linear image, complex64 [y, x], SNR units; of other lines, with other maps."""
        setting = setting or scan.setting
        adjoint = setting.coils.adjoint(scan.kspace if kspace is None else kspace, setting.weights)
        linear = setting.linear(adjoint)
        design = self.model.card.design
        found = self.backend.infer(setting.inputs(adjoint, linear, design))
        learned = setting.image(found, adjoint, design)
        return {"learned": learned[0], "linear": linear[0]}

    def psnr(self, scan: Scan, setting: Setting | None = None) -> dict[str, float]:
        """Of both images inside the maps' support [dB]; the truth is combined with the scan's own maps."""
        maps = scan.setting.coils.maps[0]
        truth = (maps.conj() * scan.images).sum(0).abs()
        inside = maps.abs().amax(0) > 0
        found = self.images(scan, setting=setting)
        return {name: psnr(image.abs(), truth, inside) for name, image in found.items()}

    def over(self, scan: Scan, setting: Setting | None = None) -> float:
        """How much better the learned image is than the linear one [dB]."""
        found = self.psnr(scan, setting)
        return found["learned"] - found["linear"]


def run() -> Iterator[Figure]:
    """The whole table."""
    try:
        model = load(os.environ.get("SCANSIDE_MODEL", "unrolled-2d"))
    except ModelError as error:
        raise SkippedError(str(error)) from None
    bench = Bench(model=model, backend=start(model))
    scans = [_scan(family, seed) for seed, family in enumerate(FAMILIES)]
    yield from _gain(bench, scans[0])
    yield from _signal(bench, scans)
    yield from _noise(bench, scans)
    yield from _maps(bench, scans)
    yield from _lines(bench, scans)
    yield from _worst(bench, scans[0])
    yield from _lesions(bench, scans)
    yield from _nothing(bench, scans[0])


def _scan(family: str, seed: int) -> Scan:
    images, _ = subject(np.random.default_rng([11, seed]), SHAPE, family)
    return Scan(images=images, pattern=uniform(SHAPE[0], 4, LINES))


def _gain(bench: Bench, scan: Scan) -> Iterator[Figure]:
    """The network alone, on inputs in other units."""
    setting = scan.setting
    adjoint = setting.coils.adjoint(scan.kspace, setting.weights)
    linear, right, matrix, sd = setting.inputs(adjoint, setting.linear(adjoint), bench.model.card.design)
    once = bench.backend.infer((linear, right, matrix, sd))
    worst = 0.0
    for gain in (0.5, 2.0, 1000.0):
        other = bench.backend.infer((gain * linear, gain * right, matrix, gain * sd)) / gain
        worst = max(worst, float((other - once).abs().max() / once.abs().max()))
    yield Figure(name="gain 0.5 to 1000: change of the image over its peak", value=worst, limit=1e-3)


def _signal(bench: Bench, scans: list[Scan]) -> Iterator[Figure]:
    for snr in (8, 15, 30, 60, 120):
        values = [bench.over(replace(scan, snr=snr)) for scan in scans]
        yield Figure(
            name=f"peak SNR {snr}: worst family", value=min(values), unit="dB", limit=-0.1, sense="at least"
        )


def _noise(bench: Bench, scans: list[Scan]) -> Iterator[Figure]:
    for louder in (0.5, 2.0):
        values = [bench.over(replace(scan, louder=louder)) for scan in scans]
        yield Figure(
            name=f"noise {louder:g} times what the whitening found: worst family",
            value=min(values),
            unit="dB",
            limit=-0.1,
            sense="at least",
        )


def _maps(bench: Bench, scans: list[Scan]) -> Iterator[Figure]:
    """Maps that have moved along y, as when the patient moves behind the reference lines."""
    for shift in (1, 2, 3):
        values = []
        for scan in scans:
            right = scan.setting.coils.maps
            setting = _with_maps(scan.setting, torch.roll(right, shift, -2))
            values.append(bench.over(scan, setting))
        yield Figure(
            name=f"maps shifted by {shift} pixels: worst family",
            value=min(values),
            unit="dB",
            limit=-0.1,
            sense="at least",
        )


def _with_maps(setting: Setting, maps: torch.Tensor) -> Setting:
    coils = Coils.of(maps)
    normal = coils.normal(setting.weights)
    return replace(setting, coils=coils, normal=normal, linear=proximal(normal, setting.linear.weight))


def _lines(bench: Bench, scans: list[Scan]) -> Iterator[Figure]:
    """More lines of the same scan must not make it worse."""
    loss = -math.inf
    for scan in scans:
        found = [
            bench.psnr(replace(scan, pattern=uniform(SHAPE[0], factor, LINES)))["learned"]
            for factor in (6, 5, 4, 3, 2, 1)
        ]
        loss = max(loss, max(before - after for before, after in pairwise(found)))
    yield Figure(name="more lines, R 6 to 1: greatest loss of a step", value=loss, unit="dB", limit=0.1)


def _worst(bench: Bench, scan: Scan) -> Iterator[Figure]:
    """The change of the measured lines, 5 % of the noise's size, that changes the image most; by ascent."""
    learned, linear = (_gains(bench, scan, name) for name in ("learned", "linear"))
    yield Figure(name="worst-case perturbation: gain of the linear image", value=linear)
    yield Figure(name="worst-case perturbation: gain of the learned image", value=learned, limit=3 * linear)


def _gains(bench: Bench, scan: Scan, name: str, steps: int = 6) -> float:
    """Norm of the image's change over that of the lines' change, after ``steps`` of ascent."""
    network, design, setting = bench.model.network, bench.model.card.design, scan.setting
    adjoint = setting.coils.adjoint(scan.kspace, setting.weights)

    def image(right: torch.Tensor) -> torch.Tensor:
        linear = setting.linear(right)
        if name == "linear":
            return linear
        return setting.image(network(*setting.inputs(right, linear, design)), right, design)

    with torch.no_grad():
        before = image(adjoint)
    shape = scan.kspace.shape
    mask = setting.weights[:, None]
    generator = torch.Generator().manual_seed(0)
    change = torch.complex(*torch.randn(2, *shape, generator=generator)) * mask
    size = 0.05 * math.sqrt(float(mask.sum()) * shape[0] * shape[2] * 2)
    gain = 0.0
    for _ in range(steps):
        change = (change * (size / float(torch.linalg.vector_norm(change)))).requires_grad_()
        moved = image(adjoint + setting.coils.adjoint(change, setting.weights)) - before
        far = torch.linalg.vector_norm(moved)
        (direction,) = torch.autograd.grad(far, change)
        gain = max(gain, float(far.detach()) / size)
        change = direction.detach() * mask
    return gain


RADII, CONTRASTS = (1, 2, 4), (0.1, 0.2)
LEAST = {1: 0.7, 2: 0.85, 4: 0.95}
"""Of the linear image's contrast, by a lesion's radius."""


def _lesions(bench: Bench, scans: list[Scan]) -> Iterator[Figure]:
    """Discs put into the object: how much of their contrast the images have, mean over places, families."""
    empty = [bench.images(scan) for scan in scans]
    for radius in RADII:
        for contrast in CONTRASTS:
            kept: dict[str, list[float]] = {"learned": [], "linear": []}
            for scan, before in zip(scans, empty, strict=True):
                discs = _discs(scan, radius)
                after = bench.images(replace(scan, images=_painted(scan, discs, contrast)))
                for name, values in kept.items():
                    change = (after[name].abs() - before[name].abs())[discs].mean()
                    values.append(float(change) / (contrast * scan.snr * math.sqrt(2)))
            linear, learned = float(np.mean(kept["linear"])), float(np.mean(kept["learned"]))
            yield Figure(
                name=f"lesion of radius {radius}, {contrast:g} of the peak: contrast over the linear image's",
                value=learned / linear,
                limit=LEAST[radius],
                sense="at least",
                note=f"linear {linear:.2f}, learned {learned:.2f}",
            )


def _discs(scan: Scan, radius: int, count: int = 6) -> torch.Tensor:
    """Discs inside the object, none near another, bool [y, x]."""
    size = scan.images.abs().square().sum(0).sqrt()
    y, x = torch.arange(SHAPE[0])[:, None], torch.arange(SHAPE[1])[None]
    places = ((size > 0.2) & (size < 0.7)).nonzero()
    random = np.random.default_rng(13)
    chosen: list[tuple[int, int]] = []
    for index in random.permutation(len(places)):
        row, column = places[int(index)].tolist()
        if all(math.hypot(row - other[0], column - other[1]) > 14 for other in chosen):
            chosen.append((row, column))
    near = [(y - row) ** 2 + (x - column) ** 2 <= radius**2 for row, column in chosen[:count]]
    return torch.stack(near).any(0)


def _painted(scan: Scan, discs: torch.Tensor, contrast: float) -> torch.Tensor:
    """Coil images with discs brighter by ``contrast`` of the peak."""
    size = scan.images.abs().square().sum(0).sqrt().clamp(min=1e-3)
    painted: torch.Tensor = scan.images * (1 + contrast * discs / size)
    return painted


def _nothing(bench: Bench, scan: Scan) -> Iterator[Figure]:
    """Lines of noise alone, with an object's maps: nothing of the object may appear."""
    setting = scan.setting
    generator = torch.Generator().manual_seed(3)
    noise = torch.complex(*torch.randn(2, *scan.kspace.shape, generator=generator))
    found = bench.images(scan, noise)
    inside = setting.coils.maps[0].abs().amax(0) > 0
    rms = {name: float(image[inside].abs().square().mean().sqrt()) for name, image in found.items()}
    sd = setting.sd * math.sqrt(2)
    largest = float((found["learned"].abs() / sd)[inside].max())
    note = f"rms of the linear image {rms['linear']:.2f}, learned {rms['learned']:.2f}"
    yield Figure(
        name="noise alone: learned rms over linear", value=rms["learned"] / rms["linear"], limit=1, note=note
    )
    yield Figure(name="noise alone: largest value over its sd in the linear image", value=largest, limit=4)
    alike = {
        name: _alike(image[inside].abs(), scan.images.abs().square().sum(0)[inside].sqrt())
        for name, image in found.items()
    }
    yield Figure(
        name="noise alone: correlation with the object",
        value=abs(alike["learned"]),
        limit=0.3,
        note=f"linear {alike['linear']:.2f}",
    )


def _alike(one: torch.Tensor, other: torch.Tensor) -> float:
    """Their correlation."""
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])
