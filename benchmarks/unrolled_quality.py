"""Learned, linear and L1-wavelet images of a real brain that no training has seen, in one table.

Magnitude inside the maps' support at the best scale; the reference is the full scan, without the added noise,
combined with the same maps. Peak SNR n: root-sum-of-squares peak = 1, noise of sd 1 / (n sqrt 2) in the real
and in the imaginary part of each coil image. L1-wavelet is BART's (``SCANSIDE_PEER_BART``), with its own
maps, its weight and that of the Tikhonov image tuned on the image of the first seed.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.wavelet import Peer, first_weight, psnr
from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilMaps, Reference
from gadgets.kspace.coilmaps import EstimateCoilMaps
from gadgets.recon.learned.setting import Setting, settle
from gadgets.scan import Encoding, Limit, Space
from models.errors import ModelError
from models.operator import proximal
from models.runner import start
from models.train.masks import Pattern, scattered, uniform
from models.zoo import Model, load
from server.files.arrays import arrange, read_array

FILE = "cartesian/brain8_full.cfl"
LINES = 24
SEEDS = int(os.environ.get("SCANSIDE_SEEDS", "5"))
WEIGHTS = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the Tikhonov image, the best of which counts."""

NAMES = ("learned", "L1-wavelet", "Tikhonov", "as shipped", "zero-filled")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    snr: int | None
    """Peak SNR with the noise added; None as measured."""

    kind: str
    factor: int

    @property
    def seeds(self) -> int:
        """As measured with uniform lines there is nothing random."""
        return SEEDS if self.snr or self.kind == "random" else 1

    @property
    def label(self) -> str:
        """In words."""
        return f"{f'SNR {self.snr}' if self.snr else 'as measured'}, {self.kind} R={self.factor}"

    def level(self, own: float) -> float:
        """Sd of all noise, per part, of a scan whose own is ``own``."""
        return math.hypot(own, 1 / (self.snr * math.sqrt(2)) if self.snr else 0.0)

    def scan(self, clean: torch.Tensor, seed: int) -> tuple[torch.Tensor, Pattern]:
        """K-space [coil, k1, x] with noise added, all lines; and which of them count."""
        random = np.random.default_rng([seed, self.factor])
        size = clean.shape[-2]
        pattern = uniform(size, self.factor, LINES)
        if self.kind == "random":
            pattern = scattered(random, size, self.factor, LINES)
        noise = torch.view_as_complex(
            torch.from_numpy(random.standard_normal((*clean.shape, 2), dtype=np.float32))
        )
        return clean + (noise / (self.snr * math.sqrt(2)) if self.snr else 0), pattern


CASES = tuple(
    Case(snr=snr, kind=kind, factor=factor)
    for snr in (15, 30, 50, None)
    for kind in ("uniform", "random")
    for factor in (3, 4, 5)
)


def run() -> Iterator[Figure]:
    """PSNR of each case [dB], mean over noise seeds; what the learned image has over the best other one."""
    name = os.environ.get("SCANSIDE_MODEL", "unrolled-2d")
    try:
        model = load(name)
    except ModelError as error:
        raise SkippedError(str(error)) from None
    clean, own = brain()
    for case in CASES:
        found, weights = [], WEIGHTS
        for seed in range(case.seeds):
            values, best = ours(model, case.scan(clean, seed), clean, case.level(own), weights)
            found.append(values)
            weights = (best,)
        try:
            theirs = wavelet(case, clean, own)
        except SkippedError:
            theirs = []
        yield from rows(case, found, theirs)


def rows(case: Case, found: list[dict[str, float]], theirs: list[float]) -> Iterator[Figure]:
    """The figures of a case, of images by seed."""
    columns = {name: [each[name] for each in found] for name in NAMES if name != "L1-wavelet"}
    if theirs:
        columns["L1-wavelet"] = theirs
    told = [
        f"{name} {np.mean(columns[name]):.2f} +- {np.std(columns[name]):.2f}"
        for name in NAMES
        if name in columns
    ]
    learned = columns["learned"]
    spread = min(learned), max(learned)
    yield Figure(
        name=case.label, value=float(np.mean(learned)), unit="dB", spread=spread, note=", ".join(told)
    )
    asked = 1.0 if case.snr else 0.5
    for name, limit in (("L1-wavelet", asked), ("Tikhonov", -0.1)):
        if name in columns:
            over = np.array(learned) - np.array(columns[name])
            yield Figure(
                name=f"    over {name}",
                value=float(over.mean()),
                unit="dB",
                limit=limit,
                sense="at least",
                note=f"sd {over.std():.2f}",
            )


def wavelet(case: Case, clean: torch.Tensor, own: float) -> list[float]:
    """PSNR of BART's L1-wavelet by seed [dB]. Raises SkippedError without BART."""
    values: list[float] = []
    weight = first_weight(case.level(own))
    for seed in range(case.seeds):
        kspace, pattern = case.scan(clean, seed)
        peer = Peer.of(kspace * pattern.weights[:, None], clean)
        if seed == 0:
            weight, value = peer.tuned(weight)
        values.append(peer.psnr(weight) if seed else value)
    return values


def brain() -> tuple[torch.Tensor, float]:
    """The full scan [coil, k1, x] with root-sum-of-squares peak 1, and its own noise sd per part."""
    kspace = torch.from_numpy(arrange(read_array(data_file(FILE)), 1, 2, 3)[0])
    images = to_image(kspace, (-2, -1))
    peak = float(images.abs().square().sum(0).sqrt().amax())
    corner = torch.cat([images[:, :12, :12].flatten(), images[:, -12:, -12:].flatten()]) / peak
    return to_image(kspace, (-1,)) / peak, float(torch.view_as_real(corner).square().mean().sqrt())


def ours(
    model: Model,
    scan: tuple[torch.Tensor, Pattern],
    clean: torch.Tensor,
    level: float,
    weights: tuple[float, ...] = WEIGHTS,
) -> tuple[dict[str, float], float]:
    """PSNR of each image [dB], and the best weight of the Tikhonov image; ``level`` is the noise's sd."""
    kspace, pattern = scan[0] / level, scan[1]
    setting = setup(kspace, pattern)
    over = setting.window
    adjoint = setting.coils.adjoint(over.cut(kspace[:, None], -2)[:, 0], setting.weights)
    linear = setting.linear(adjoint)
    design = model.card.design
    image = setting.image(start(model).infer(setting.inputs(adjoint, linear, design)), adjoint, design)
    maps = setting.maps.data[0, :, 0]
    truth = torch.linalg.vecdot(maps, to_image(clean / level, (-2,)), dim=0).abs()
    inside = maps.abs().amax(0) > 0

    def judged(found: torch.Tensor) -> float:
        return psnr(over.image(found[:, None])[0, 0].abs(), truth, inside)

    tried = {weight: judged(proximal(setting.normal, weight)(adjoint)) for weight in weights}
    best = max(tried, key=lambda weight: tried[weight])
    values = {
        "learned": judged(image),
        "Tikhonov": tried[best],
        "as shipped": judged(linear),
        "zero-filled": judged(adjoint),
    }
    return values, best


def setup(kspace: torch.Tensor, pattern: Pattern) -> Setting:
    """Maps and operator from the reference lines of k-space [coil, k1, x] in SNR units."""
    lines = pattern.reference
    size, points = kspace.shape[1:]
    space = Space(matrix=(points, size, 1), fov=(0.2, 0.2, 0.005))
    limit = {"kspace_encode_step_1": Limit(minimum=0, maximum=size - 1, center=size // 2)}
    reference = Reference(
        data=to_kspace(kspace[:, None, lines.start : lines.stop], (-1,)),
        first=(0, lines.start),
        shape=(1, size, points),
        encoding=0,
        slice=0,
        notes={"ScansideNoise": "scan"},
    )
    maps: CoilMaps = EstimateCoilMaps().estimate(reference)
    sampled = pattern.weights.to(torch.int32)[None]
    encoding = Encoding(
        encoded=space,
        recon=space,
        limits=limit,
        acceleration=(pattern.acceleration, 1),
        calibration="embedded",
    )
    return settle(maps, sampled, reference, encoding)
