"""The corpus of denoisers: objects and noise apart, so that each step draws another pair."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.inputs import two_channels
from models.train.denoise.noise import Draws, filtered, filters, reconstructed, spread
from models.train.fields import Random
from models.train.samples import SHARE, seen

SHAPE = (128, 128)
DRAWS = 4
"""Of noise from each reconstruction."""

SNR = (3.0, 150.0)
"""The object's peak over the median of the noise's sd, log-uniform."""

Pair = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Noisy image [2, y, x], its noise map [1, y, x], the image without noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Objects of peak 1 and the noise of reconstructions."""

    objects: list[torch.Tensor]
    """complex64 [y, x]."""

    noises: list[Draws]


def make(path: Path, seed: int, objects: int, noises: int, tell: Callable[[int], None]) -> Corpus:
    """The corpus of a seed, from its file; made where that is not there yet."""
    if not path.exists():
        random = np.random.default_rng([seed, 7])
        things, draws = [], []
        for count in range(objects):
            things.append(torch.view_as_real(thing(random)).half())
            tell(count + 1)
        for count in range(noises):
            drawn = reconstructed(random, SHAPE, DRAWS)
            draws.append({"noise": torch.view_as_real(drawn.noise).half(), "sd": drawn.sd})
            tell(objects + count + 1)
        part = path.with_suffix(".part")
        torch.save({"objects": things, "noises": draws}, part)
        part.rename(path)
    stored = torch.load(path, weights_only=True)
    whole = torch.view_as_complex
    return Corpus(
        objects=[whole(each.float()) for each in stored["objects"]],
        noises=[Draws(noise=whole(each["noise"].float()), sd=each["sd"]) for each in stored["noises"]],
    )


def thing(random: Random, family: str | None = None) -> torch.Tensor:
    """A complex object of peak 1, of a random training family where none is given, complex64 [y, x]."""
    image = seen(random, SHAPE, family or str(random.choice(list(SHARE), p=list(SHARE.values()))))[1]
    return image / torch.quantile(image.abs().flatten(), 0.995).clamp(min=1e-3)


def pair(random: Random, image: torch.Tensor, draws: Draws, snr: float) -> Pair:
    """An object [y, x] with noise at a peak SNR, both through one random filter."""
    noise = draws.noise[int(random.integers(len(draws.noise)))]
    if random.random() < 0.5:
        image = image.flip(-1)
    if random.random() < 0.5:
        image = image.flip(-2)
    turn = torch.polar(torch.ones(2), torch.from_numpy(random.uniform(0, 2 * math.pi, 2)).float())
    parts = torch.stack([turn[0] * image * (snr * float(draws.sd.median())), turn[1] * noise])
    weights = filters(random, (image.shape[0], image.shape[1]))
    clean, added = filtered(parts, weights)
    sd = spread(draws.sd, weights)
    return two_channels(clean + added), sd[None], two_channels(clean)


def batch(random: Random, corpus: Corpus, images: int, patches: int, side: int) -> Pair:
    """Square patches of some images with noise; each part has a batch axis."""
    found: list[Pair] = []
    for _ in range(images):
        image = corpus.objects[int(random.integers(len(corpus.objects)))]
        draws = corpus.noises[int(random.integers(len(corpus.noises)))]
        whole = pair(random, image, draws, math.exp(random.uniform(math.log(SNR[0]), math.log(SNR[1]))))
        for _ in range(patches):
            y, x = (int(random.integers(size - side + 1)) for size in SHAPE)
            found.append(
                (
                    whole[0][:, y : y + side, x : x + side],
                    whole[1][:, y : y + side, x : x + side],
                    whole[2][:, y : y + side, x : x + side],
                )
            )
    noisy, sd, clean = (torch.stack(parts) for parts in zip(*found, strict=True))
    return noisy, sd, clean
