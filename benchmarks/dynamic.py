"""Dynamic scans of interleaved lines: what the (2+1)D network and its rivals reach.

R = 8, 25 frames, three families that no training sees: a simulated heart, and two kinds of images that beat
and breathe. PSNR of the magnitude inside the maps' support, over all frames; the weight of k-t FOCUSS is
tuned on the series. View sharing is what the (2+1)D network begins with. Then a spot of the heart's that
flashes in one frame, or from it on: how much of that each image shows, frame by frame. The rat cine (eight
measured magnitude images, R = 4, with simulated coils, phase and noise) is reported; it decides nothing.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.kt_focuss import kt_focuss
from benchmarks.unrolled_quality import setup
from benchmarks.wavelet import psnr
from gadgets.recon.learned.cine import UnrolledCine
from gadgets.recon.learned.series import Seen, Windows, images, inputs, shared
from gadgets.recon.learned.setting import Setting
from models.errors import ModelError
from models.operator import dft
from models.runner import start
from models.simulation.cine.acquire import slice_at
from models.simulation.cine.protocol import Cine
from models.simulation.patient import average
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol
from models.train.coils import random_coils
from models.train.fields import smooth, window
from models.train.masks import Pattern
from models.train.samples import subject
from models.train.videos import video
from models.zoo import Model, load

R, FRAMES, LINES, COLUMNS, COILS = 8, 25, 128, 96, 12
SNR = float(os.environ.get("SCANSIDE_PEAK_SNR", "40"))
WEIGHTS = (0.03, 0.1, 0.3)
"""Of k-t FOCUSS; the best is the middle one in each series."""

NEW, OLD, FOCUSS, SHARED = "(2+1)D network", "2D network", "k-t FOCUSS", "view sharing"
ASKED: Mapping[str, float | None] = {OLD: 1.0, FOCUSS: 2.0, SHARED: None}
"""How much better the (2+1)D network has to be [dB]."""

WHEN = 12
"""The frame in which a spot flashes."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """The networks that are compared."""

    new: Model
    old: Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """A series as its scan gives it, and what it should show."""

    seen: list[Seen]
    truth: torch.Tensor
    """Of all lines without noise, combined with the same maps, complex64 [t, y, x]."""

    patterns: int
    """Of lines, which frames have in turn."""

    @property
    def inside(self) -> torch.Tensor:
        """Where there are maps, bool [t, y, x]."""
        there: torch.Tensor = self.seen[0].setting.coils.maps[0].abs().amax(0) > 0
        return there.expand(len(self.truth), -1, -1)

    def psnr(self, image: torch.Tensor) -> float:
        """Of complex frames [dB]."""
        return psnr(image.abs(), self.truth.abs(), self.inside)


def run() -> Iterator[Figure]:
    """What the (2+1)D network has over the others by family [dB], then how sharp it is in time."""
    try:
        models = Models(
            new=load(os.environ.get("SCANSIDE_SERIES", "unrolled-2dt")),
            old=load(os.environ.get("SCANSIDE_MODEL", "unrolled-2d")),
        )
    except ModelError as error:
        raise SkippedError(str(error)) from None
    beating = heart()
    for name, frames in (
        ("heart", beating),
        ("cells", moving("cells", 1)),
        ("other photograph", moving("other photograph", 2)),
    ):
        yield from figures(name, acquired(frames, R), models, ASKED)
    yield from sharpness(beating, models)
    try:
        yield from figures("rat, R = 4", acquired(rat(), 4), models, dict.fromkeys(ASKED))
    except SkippedError as error:
        yield Figure(name="rat, R = 4", value=math.nan, note=str(error))


def figures(name: str, series: Series, models: Models, asked: Mapping[str, float | None]) -> Iterator[Figure]:
    """What the (2+1)D network has over each of the others."""
    found = {what: series.psnr(image) for what, image in linear(series).items()}
    found |= {what: series.psnr(image) for what, image in learned(series, models).items()}
    found[FOCUSS] = max(series.psnr(focuss(series, weight)) for weight in WEIGHTS)
    note = ", ".join(f"{what} {value:.2f}" for what, value in found.items())
    for what, limit in asked.items():
        value = found[NEW] - found[what]
        yield Figure(
            name=f"{name}: {NEW} over {what}",
            value=value,
            unit="dB",
            limit=limit,
            sense="at least",
            note=note,
        )
        note = ""


def sharpness(frames: torch.Tensor, models: Models) -> Iterator[Figure]:
    """How much each image shows of a spot that doubles its signal in one frame, or from it on."""
    plain = acquired(frames, R)
    spot = busiest(plain)
    before = all_images(plain, models)
    for what, last in (("impulse", WHEN + 1), ("step", len(frames))):
        changed = frames.clone()
        changed[WHEN:last] *= 1 + spot
        series = acquired(changed, R)
        due = (series.truth - plain.truth)[WHEN]
        for name, image in all_images(series, models).items():
            seen = torch.einsum("yx,tyx->t", due.conj(), image - before[name]).real
            seen = seen / float(due.abs().square().sum())
            values = " ".join(f"{value:.2f}" for value in seen[WHEN - 4 : WHEN + 5].tolist())
            yield Figure(
                name=f"heart, {what}: {name}",
                value=float(seen[WHEN]),
                note=f"frames {WHEN - 4} to {WHEN + 4}: {values}",
            )


def busiest(series: Series) -> torch.Tensor:
    """A spot of three pixels' width where the series changes most, with a peak of 1, float32 [y, x]."""
    change = series.truth.abs().std(0) * series.inside[0]
    height, width = change.shape
    y, x = divmod(int(change.argmax()), width)
    far = (torch.arange(height)[:, None] - y) ** 2 + (torch.arange(width)[None] - x) ** 2
    return torch.exp(-far / (2 * 1.5**2))


def all_images(series: Series, models: Models) -> dict[str, torch.Tensor]:
    """All reconstructions."""
    return linear(series) | learned(series, models) | {FOCUSS: focuss(series, WEIGHTS[1])}


def linear(series: Series) -> dict[str, torch.Tensor]:
    """Tikhonov images of each frame alone, and view-shared ones."""
    alone = [each.setting.linear(each.adjoint) for each in series.seen]
    return {"Tikhonov": torch.cat(alone), SHARED: shared(series.seen)}


def learned(series: Series, models: Models) -> dict[str, torch.Tensor]:
    """Both networks; the new one in the windows of its gadget."""
    runner, design = start(models.old), models.old.card.design
    alone = []
    for each in series.seen:
        given = each.setting.inputs(each.adjoint, each.setting.linear(each.adjoint), design)
        alone.append(each.setting.image(runner.infer(given), each.adjoint, design))
    return {OLD: torch.cat(alone), NEW: torch.cat(list(windowed(series, models.new)))}


def windowed(series: Series, model: Model) -> Iterator[torch.Tensor]:
    """The (2+1)D network's images [1, y, x], in order."""
    gadget, runner = UnrolledCine(), start(model)
    windows: Windows[Seen] = Windows(size=gadget.frames, margin=gadget.margin)
    for each in series.seen:
        whole = windows.add(each)
        for held, given in [whole] if whole else []:
            found = images(runner.infer(inputs(held)), held)
            yield from (found[index] for index in given)
    for held, given in windows.rest():
        found = images(runner.infer(inputs(held)), held)
        yield from (found[index] for index in given)


def focuss(series: Series, weight: float) -> torch.Tensor:
    """K-t FOCUSS of the series, in SNR units."""
    scale = series.seen[0].setting.scale
    normals = torch.stack([each.setting.normal for each in series.seen[: series.patterns]])
    return kt_focuss(normals, torch.cat([each.adjoint for each in series.seen]) / scale, weight) * scale


def acquired(frames: torch.Tensor, factor: int) -> Series:
    """The scan of coil images [t, coil, y, x] whose peak is 1, every ``factor``-th line in turn."""
    size = frames.shape[-2]
    generator = torch.Generator().manual_seed(0)
    clean = frames * (SNR * math.sqrt(2))
    kspace = dft(size) @ clean
    kspace = kspace + torch.complex(*torch.randn(2, *kspace.shape, generator=generator))
    settings = _settings(kspace, factor)
    seen = []
    for frame, lines in enumerate(kspace):
        one = settings[frame % factor]
        own = lines * one.weights[:, None]
        seen.append(Seen(setting=one, lines=own, adjoint=one.coils.adjoint(own, one.weights)))
    truth = torch.linalg.vecdot(settings[0].coils.maps[0][None], clean, dim=1)
    return Series(seen=seen, truth=truth, patterns=factor)


def _settings(kspace: torch.Tensor, factor: int) -> list[Setting]:
    """One for each of the interleaved patterns; maps from the lines' mean over time."""
    size = kspace.shape[-2]
    line, centre = torch.arange(size), range(size // 2 - 12, size // 2 + 12)
    masks = [((line - size // 2 - frame) % factor == 0).float() for frame in range(factor)]
    weights = torch.stack([masks[frame % factor] for frame in range(len(kspace))])
    mean = (kspace * weights[:, None, :, None]).sum(0) / weights.sum(0)[:, None].clamp(min=1)
    return [
        setup(mean, Pattern(weights=mask, reference=centre, kind="uniform", acceleration=factor))
        for mask in masks
    ]


def heart() -> torch.Tensor:
    """Coil images of a simulated short-axis slice, complex64 [t, coil, y, x], peak 1."""
    scan = Protocol(
        sampling=Sampling(lines=LINES, acceleration=R, calibration="interleaved", repetition_time=0.003),
        columns=COLUMNS,
        coils=COILS,
        pixel=0.3 / LINES,
        thickness=0.008,
        gap=0.002,
    )
    one = slice_at(Cine(patient=average(), scan=scan, gating="realtime", frames=FRAMES), 2)
    frames = [one.kspace(one.labels(1.3 * frame / FRAMES)) for frame in range(FRAMES)]
    return _peak(torch.stack([_columns(dft(LINES).mH @ frame) for frame in frames]))


def _columns(lines: torch.Tensor) -> torch.Tensor:
    """The image's columns of [coil, y, k0] with oversampling."""
    image = lines @ dft(lines.shape[-1]).conj()
    first = (image.shape[-1] - COLUMNS) // 2
    return image[..., first : first + COLUMNS]


def moving(family: str, seed: int) -> torch.Tensor:
    """Coil images of a family's image that moves, complex64 [t, coil, y, x], peak 1."""
    random = np.random.default_rng([17, seed])
    still, coils = subject(random, (LINES, COLUMNS), family)
    image = torch.linalg.vecdot(coils, still, dim=0) / coils.abs().square().sum(0).clamp(min=1e-9)
    return _peak(coils * video(random, image, FRAMES)[:, None])


def rat() -> torch.Tensor:
    """Coil images of the rat cine, complex64 [t, coil, y, x], peak 1. Raises SkippedError without it."""
    import scipy.io

    values = scipy.io.loadmat(str(data_file("cine/rat_8_frames.mat")))["image0"]
    magnitude = torch.from_numpy(values.astype(np.float32)).movedim(-1, 0)
    random = np.random.default_rng([17, 3])
    shape = magnitude.shape[1], magnitude.shape[2]
    coils = random_coils(random, window(random, *shape))
    phase = smooth(random, shape, 0.4 * shape[0])
    return _peak(coils * torch.polar(magnitude, phase.expand_as(magnitude))[:, None])


def _peak(frames: torch.Tensor) -> torch.Tensor:
    return frames / float(frames.abs().square().sum(1).sqrt().amax())
