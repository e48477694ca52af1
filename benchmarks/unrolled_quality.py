"""Learned, linear and L1-wavelet images of a real brain that no training has seen.

Magnitude inside the maps' support at the best scale; the reference is the full scan, without the added noise,
combined with the same maps. Peak SNR n: root-sum-of-squares peak = 1, noise of sd 1 / (n sqrt 2) in the real
and in the imaginary part of each coil image.
"""

import math
import os
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError, data_file
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
WAVELET = {
    (None, 3): 37.62,
    (None, 4): 35.22,
    (None, 5): 34.19,
    (30, 3): 30.68,
    (30, 4): 29.83,
    (15, 3): 26.68,
    (15, 4): 26.46,
}
"""What BART's L1-wavelet reaches [dB] with uniform lines, tuned on this image, by peak SNR and R."""

WEIGHTS = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the Tikhonov image, tuned on this very image."""


def run() -> Iterator[Figure]:
    """PSNR by peak SNR, pattern and R: mean over noise seeds, sd in the note."""
    name = os.environ.get("SCANSIDE_MODEL", "unrolled-2d")
    try:
        model = load(name)
    except ModelError as error:
        raise SkippedError(str(error)) from None
    kspace, own = brain()
    for snr in (None, 50, 30, 15):
        for kind in ("uniform", "random"):
            for factor in (3, 4, 5):
                yield from _row(model, kspace, own, snr, kind, factor)


def brain() -> tuple[torch.Tensor, float]:
    """The full scan [coil, k1, x] with root-sum-of-squares peak 1, and its own noise sd per part."""
    kspace = torch.from_numpy(arrange(read_array(data_file(FILE)), 1, 2, 3)[0])
    images = to_image(kspace, (-2, -1))
    peak = float(images.abs().square().sum(0).sqrt().amax())
    corner = torch.cat([images[:, :12, :12].flatten(), images[:, -12:, -12:].flatten()]) / peak
    return to_image(kspace, (-1,)) / peak, float(torch.view_as_real(corner).square().mean().sqrt())


def _row(
    model: Model, kspace: torch.Tensor, own: float, snr: int | None, kind: str, factor: int
) -> Iterator[Figure]:
    found: dict[str, list[float]] = {"learned": [], "Tikhonov": [], "as shipped": [], "zero-filled": []}
    for seed in range(SEEDS if snr or kind == "random" else 1):
        random = np.random.default_rng([seed, factor])
        size = kspace.shape[-2]
        pattern = uniform(size, factor, LINES)
        if kind == "random":
            pattern = scattered(random, size, factor, LINES)
        for name, value in _seed(model, kspace, own, snr, pattern, random).items():
            found[name].append(value)
    label = f"{kind} R={factor}, {f'SNR {snr}' if snr else 'as measured'}"
    wavelet = WAVELET.get((snr, factor)) if kind == "uniform" else None
    asked = None if wavelet is None else wavelet + (1.0 if snr else 0.5)
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    others = ", ".join(f"{name} {mean[name]:.2f}" for name in ("Tikhonov", "as shipped", "zero-filled"))
    yield Figure(
        name=label,
        value=mean["learned"],
        unit="dB",
        limit=asked,
        sense="at least",
        note=f"sd {np.std(found['learned']):.2f}; {others}; L1-wavelet {wavelet or 'not measured'}",
    )
    yield Figure(
        name=f"    over the tuned linear image, {label}",
        value=mean["learned"] - mean["Tikhonov"],
        unit="dB",
        limit=-0.1,
        sense="at least",
    )


def _seed(
    model: Model,
    clean: torch.Tensor,
    own: float,
    snr: int | None,
    pattern: Pattern,
    random: np.random.Generator,
) -> dict[str, float]:
    """PSNR of each image [dB]."""
    added = 1 / (snr * math.sqrt(2)) if snr else 0.0
    noise = torch.from_numpy(random.standard_normal((*clean.shape, 2), dtype=np.float32))
    level = math.hypot(own, added)
    kspace = (clean + added * torch.view_as_complex(noise)) / level
    setting = setup(kspace, pattern)
    over = setting.window
    adjoint = setting.coils.adjoint(over.cut(kspace[:, None], -2)[:, 0], setting.weights)
    linear = setting.linear(adjoint)
    image = setting.consistent(start(model).infer(setting.inputs(adjoint, linear)), adjoint)
    maps = setting.maps.data[0, :, 0]
    truth = torch.linalg.vecdot(maps, to_image(clean / level, (-2,)), dim=0).abs()
    inside = maps.abs().amax(0) > 0

    def judged(found: torch.Tensor) -> float:
        return psnr(over.image(found[:, None])[0, 0].abs(), truth, inside)

    return {
        "learned": judged(image),
        "Tikhonov": max(judged(proximal(setting.normal, weight)(adjoint)) for weight in WEIGHTS),
        "as shipped": judged(linear),
        "zero-filled": judged(adjoint),
    }


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


def psnr(image: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> float:
    """Peak over rms error inside the support, at the best scale [dB]."""
    one, other = image[inside].double(), truth[inside].double()
    one = one * (one @ other) / (one @ one)
    return float(20 * torch.log10(other.amax() / (one - other).square().mean().sqrt()))
