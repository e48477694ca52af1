"""Dynamic scans, R = 8, 25 frames, interleaved lines: what the 2D network and k-t FOCUSS reach, by frame.

Three families that no training sees: a simulated heart, and two kinds of images that beat and breathe. PSNR
of the magnitude inside the maps' support, over all frames; the weight of k-t FOCUSS is tuned on the series.
There is no (2+1)D network yet: it is asked to be 1 dB above the 2D one and 2 dB above k-t FOCUSS.
"""

import math
import os
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.figures import Figure, SkippedError
from benchmarks.kt_focuss import kt_focuss
from benchmarks.unrolled_quality import setup
from benchmarks.wavelet import psnr
from gadgets.recon.learned.setting import Setting
from models.errors import ModelError
from models.operator import dft
from models.runner import start
from models.simulation.cine.acquire import slice_at
from models.simulation.cine.protocol import Cine
from models.simulation.patient import average
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol
from models.train.masks import Pattern
from models.train.samples import subject
from models.train.videos import video
from models.zoo import Model, load

R, FRAMES, LINES, COLUMNS, COILS, SNR = 8, 25, 128, 96, 12, 40.0
CENTRE = range(LINES // 2 - 12, LINES // 2 + 12)
WEIGHTS = (0.03, 0.1, 0.3)


def run() -> Iterator[Figure]:
    """PSNR by family [dB]."""
    try:
        model = load(os.environ.get("SCANSIDE_MODEL", "unrolled-2d"))
    except ModelError as error:
        raise SkippedError(str(error)) from None
    for name, images in (
        ("heart", heart()),
        ("cells", moving("cells", 1)),
        ("other photograph", moving("other photograph", 2)),
    ):
        found = compared(model, images)
        note = ", ".join(f"{what} {value:.2f}" for what, value in found.items())
        over = found["2D network"] - found["k-t FOCUSS"]
        yield Figure(name=f"{name}: 2D network over k-t FOCUSS", value=over, unit="dB", note=note)


def compared(model: Model, images: torch.Tensor) -> dict[str, float]:
    """PSNR of each reconstruction of coil images [t, coil, y, x] whose peak is 1 [dB]."""
    generator = torch.Generator().manual_seed(0)
    kspace = dft(LINES) @ images * (SNR * math.sqrt(2))
    kspace = kspace + torch.complex(*torch.randn(2, *kspace.shape, generator=generator))
    settings = _settings(kspace)
    adjoints = [
        settings[frame % R].coils.adjoint(lines, settings[frame % R].weights)
        for frame, lines in enumerate(kspace)
    ]
    maps, scale = settings[0].coils.maps[0], settings[0].scale
    truth = torch.linalg.vecdot(maps[None], images, dim=1).abs()
    inside = (maps.abs().amax(0) > 0).expand(len(truth), -1, -1)
    linear = [settings[frame % R].linear(adjoint) for frame, adjoint in enumerate(adjoints)]
    learned = [
        _network(model, settings[frame % R], *given)
        for frame, given in enumerate(zip(adjoints, linear, strict=True))
    ]
    normals = torch.stack([settings[frame % R].normal for frame in range(len(kspace))])
    right = torch.cat(adjoints) / scale
    best = max(psnr(kt_focuss(normals, right, weight).abs(), truth, inside) for weight in WEIGHTS)
    return {
        "Tikhonov": psnr(torch.cat(linear).abs(), truth, inside),
        "2D network": psnr(torch.cat(learned).abs(), truth, inside),
        "k-t FOCUSS": best,
    }


def _network(model: Model, setting: Setting, adjoint: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
    design = model.card.design
    return setting.image(start(model).infer(setting.inputs(adjoint, linear, design)), adjoint, design)


def _settings(kspace: torch.Tensor) -> list[Setting]:
    """One for each of the interleaved patterns; maps from the lines' mean over time."""
    line = torch.arange(LINES)
    masks = [((line - LINES // 2 - frame) % R == 0).float() for frame in range(R)]
    weights = torch.stack([masks[frame % R] for frame in range(len(kspace))])
    mean = (kspace * weights[:, None, :, None]).sum(0) / weights.sum(0)[:, None].clamp(min=1)
    return [
        setup(mean, Pattern(weights=mask, reference=CENTRE, kind="uniform", acceleration=R)) for mask in masks
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
    images, coils = subject(random, (LINES, COLUMNS), family)
    still = torch.linalg.vecdot(coils, images, dim=0) / coils.abs().square().sum(0).clamp(min=1e-9)
    return _peak(coils * video(random, still, FRAMES)[:, None])


def _peak(images: torch.Tensor) -> torch.Tensor:
    return images / float(images.abs().square().sum(1).sqrt().amax())
