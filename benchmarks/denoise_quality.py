"""A learned denoiser against Gaussian and wavelet filters that are tuned on each very image.

Objects of families that no training has seen, noise through random SENSE reconstructions and filters; then a
real brain (fully sampled, noise added; and accelerated, as SENSE gives it). Lesions: discs put into an
object, and how much of their contrast is left. Gains are of complex images against the one without noise.
"""

import math
import os
from collections.abc import Callable, Iterator

import numpy as np
import pywt
import torch

from benchmarks.figures import Figure, SkippedError
from models.apply import apply
from models.backends import Backend
from models.errors import ModelError
from models.runner import start
from models.train.denoise import corpus
from models.train.denoise.noise import reconstructed
from models.zoo import Model, load

THRESHOLDS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
WIDTHS = (0.3, 0.5, 0.7, 0.9, 1.2, 1.6)
SAMPLES = int(os.environ.get("SCANSIDE_SAMPLES", "4"))

Filter = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def run() -> Iterator[Figure]:
    """Gain over the noisy image [dB], and lesions."""
    try:
        model = load(os.environ.get("SCANSIDE_MODEL", "denoise-2d"))
    except ModelError as error:
        raise SkippedError(str(error)) from None
    backend = start(model)
    random = np.random.default_rng(2**30)
    for family in ("cells", "other photograph"):
        for snr in (5.0, 15.0, 50.0):
            yield _family(model, backend, random, family, snr)
    yield from _brain(model, backend)
    yield from _lesions(model, backend, random)
    yield _empty(model, backend)


def _family(model: Model, backend: Backend, random: np.random.Generator, family: str, snr: float) -> Figure:
    found: dict[str, list[float]] = {"learned": [], "wavelet": [], "gaussian": []}
    for _ in range(SAMPLES):
        draws = reconstructed(random, corpus.SHAPE, 1)
        noisy, sd, clean = corpus.pair(random, corpus.thing(random, family), draws, snr)
        images = torch.complex(noisy[0], noisy[1]), torch.complex(clean[0], clean[1])
        for name, value in judged(model, backend, *images, sd[0]).items():
            found[name].append(value)
    return _figure(f"{family}, SNR {snr:g}", found)


def _figure(name: str, found: dict[str, list[float]]) -> Figure:
    mean = {each: float(np.mean(values)) for each, values in found.items()}
    others = max(mean["wavelet"], mean["gaussian"])
    return Figure(
        name=f"{name}: gain of the learned denoiser over the better tuned filter",
        value=mean["learned"] - others,
        unit="dB",
        limit=0.0,
        sense="at least",
        note=", ".join(f"{each} {value:+.2f}" for each, value in mean.items()),
    )


def judged(
    model: Model, backend: Backend, noisy: torch.Tensor, clean: torch.Tensor, sd: torch.Tensor
) -> dict[str, float]:
    """Energy of the noise over that of the error left [dB], of each denoiser."""
    before = float((noisy - clean).abs().square().mean())

    def gain(image: torch.Tensor) -> float:
        return 10 * math.log10(before / float((image - clean).abs().square().mean()))

    return {
        "learned": gain(apply(model, backend, noisy[None], sd)[0]),
        "wavelet": max(gain(wavelet(noisy, sd, each)) for each in THRESHOLDS),
        "gaussian": max(gain(gaussian(noisy, sd, each)) for each in WIDTHS),
    }


def gaussian(image: torch.Tensor, sd: torch.Tensor, width: float) -> torch.Tensor:
    """Smoothed by a Gaussian of an sd in pixels."""
    place = torch.arange(-6, 7).float()
    kernel = torch.exp(-0.5 * (place / width) ** 2)
    kernel = kernel / kernel.sum()
    parts = torch.view_as_real(image).permute(2, 0, 1)[:, None]
    parts = torch.nn.functional.pad(parts, (6, 6, 6, 6), mode="replicate")
    parts = torch.nn.functional.conv2d(parts, kernel[None, None, :, None])
    parts = torch.nn.functional.conv2d(parts, kernel[None, None, None])
    return torch.complex(parts[0, 0], parts[1, 0])


def wavelet(image: torch.Tensor, sd: torch.Tensor, threshold: float) -> torch.Tensor:
    """Soft thresholds of db4 coefficients of the image over its noise map, mean over four shifts."""
    whole = (image / sd.clamp(min=1e-6)).numpy()
    total = np.zeros_like(whole)
    for shift in ((0, 0), (1, 2), (2, 1), (3, 3)):
        parts = pywt.wavedec2(np.roll(whole, shift, (0, 1)), "db4", "periodization", 3)
        soft = [parts[0]]
        for level in parts[1:]:
            soft.append(tuple(pywt.threshold(each, threshold * math.sqrt(2), "soft") for each in level))
        back = pywt.waverec2(soft, "db4", "periodization")[: whole.shape[0], : whole.shape[1]]
        total += np.roll(back, (-shift[0], -shift[1]), (0, 1))
    return torch.from_numpy((total / 4).astype(np.complex64)) * sd


def _brain(model: Model, backend: Backend) -> Iterator[Figure]:
    """A real brain: all lines, and every third one with 24 reference lines as Tikhonov SENSE gives it."""
    from benchmarks.unrolled_quality import LINES, brain, setup
    from gadgets.arrays import to_image
    from models.train.masks import uniform

    try:
        kspace, own = brain()
    except SkippedError:
        return
    for factor in (1, 3):
        for snr in (15, 30):
            random = np.random.default_rng([snr, factor])
            added = 1 / (snr * math.sqrt(2))
            noise = torch.from_numpy(random.standard_normal((*kspace.shape, 2), dtype=np.float32))
            level = math.hypot(own, added)
            scan = (kspace + added * torch.view_as_complex(noise)) / level
            setting = setup(scan, uniform(kspace.shape[-2], factor, LINES))
            over = setting.window
            noisy = setting.linear(setting.coils.adjoint(over.cut(scan[:, None], -2)[:, 0], setting.weights))
            clean = torch.linalg.vecdot(setting.coils.maps[0], to_image(kspace / level, (-2,)), dim=0)
            inside = setting.coils.maps[0].abs().amax(0) > 0
            noisy, clean, sd = noisy[0] * inside, clean * inside, setting.sd * inside + ~inside
            found = {name: [value] for name, value in judged(model, backend, noisy, clean, sd).items()}
            yield _figure(f"brain8_full, R = {factor}, SNR {snr}", found)


def _lesions(model: Model, backend: Backend, random: np.random.Generator) -> Iterator[Figure]:
    """Discs of a contrast in units of the noise's sd: how much of it is left, mean over places and draws."""
    y, x = torch.meshgrid(*(torch.arange(size) for size in corpus.SHAPE), indexing="ij")
    for radius in (1, 2, 4):
        for contrast in (2.0, 4.0, 8.0):
            kept = []
            for _ in range(2):
                image = corpus.thing(random, "cells") * 30
                noise = torch.view_as_complex(
                    torch.from_numpy(random.standard_normal((*corpus.SHAPE, 2), dtype=np.float32))
                )
                discs = torch.zeros(corpus.SHAPE)
                for cy in range(16, 128, 24):
                    for cx in range(16, 128, 24):
                        discs += (y - cy).square() + (x - cx).square() <= radius**2
                phase = image / image.abs().clamp(min=1e-6)
                sd = torch.ones(corpus.SHAPE)
                pair = [
                    apply(model, backend, (image + noise + with_it * contrast * discs * phase)[None], sd)[0]
                    for with_it in (0.0, 1.0)
                ]
                change = ((pair[1] - pair[0]) * phase.conj()).real
                kept.append(float(change[discs > 0].mean()) / contrast)
            yield Figure(
                name=f"lesion of radius {radius}, contrast {contrast:g} noise sd: part that is left",
                value=float(np.mean(kept)),
                unit="",
                limit=0.5 if contrast * radius >= 8 else None,
                sense="at least",
            )


def _empty(model: Model, backend: Backend) -> Figure:
    """Noise alone: what is left of it, and its largest value."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.view_as_complex(torch.randn(1, 128, 128, 2, generator=generator))
    left = apply(model, backend, noise, torch.ones(128, 128))
    largest = float(left.abs().amax())
    return Figure(
        name="noise alone: sd of what is left of 1",
        value=float(torch.view_as_real(left).square().mean().sqrt()),
        unit="",
        limit=0.5,
        sense="at most",
        note=f"largest value {largest:.2f}",
    )
