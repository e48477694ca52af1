"""A real scan of two bottles (Skyra, 14 channels, R = 3) beside what the real Gadgetron makes of it."""

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.load import load, send
from benchmarks.processes import ours
from gadgets.arrays import to_kspace
from gadgets.data import CoilImage, Image, Kspace, Readouts
from gadgets.gadget import Gadget
from gadgets.kspace.accumulate import Accumulate
from gadgets.readout.echo import AlignEcho
from gadgets.readout.noise import Prewhiten
from gadgets.readout.oversampling import RemoveOversampling
from gadgets.recon.grappa import Grappa
from server.engine.line import run as run_chain
from server.files.scan import read_scan
from server.wire.header import read_header
from server.wire.messages import ConfigText
from server.wire.readouts import split

SCAN = "mrd/skyra14_noise_grappa3.h5"
THEIRS = {"image": ("image_1", 10), "gfactor": ("image_20", 100), "snr": ("image_300", 10)}
"""Group of Gadgetron's file and factor of its integers."""

CHAIN = """chain:
- AlignEcho
- RemoveOversampling
- Prewhiten
- Accumulate
- Grappa: {{put_back: {put_back}}}
- Combine: {{gfactor: true, snr: true}}
{filter}- Resize
- Magnitude
"""
FILTER = "- KspaceFilter: {shape: gaussian}\n"
CHANNELS, SAMPLES = 14, 384
"""Of the noise scan."""

FINITE = math.sqrt(SAMPLES / (SAMPLES - CHANNELS))
"""What a covariance from so many samples leaves of sd 1."""

CORNER = 14
"""Side of the corners of the image that hold no signal."""

BOTTLES = 0.3
"""The bottles are where Gadgetron's SNR is above this part of its maximum."""

Picture = NDArray[Any]


def run() -> Iterator[Figure]:
    """The images, then the noise, then the prepared k-space."""
    theirs = _theirs()
    bottles = theirs["snr"] > BOTTLES * theirs["snr"].max()
    path = data_file(SCAN)
    with ours() as server:
        for put_back in (True, False):
            for smooth in (True, False):
                words = {"put_back": str(put_back).lower(), "filter": FILTER if smooth else ""}
                found: dict[str, Picture] = {}
                send(server.port, load(path, ConfigText(CHAIN.format(**words))), _keeper(found))
                name = f"{'filtered' if smooth else 'unfiltered'}, {'' if put_back else 'not '}put back"
                yield from _compared(name, found, theirs, bottles, smooth=smooth)
                yield from _background(name, found)
    for put_back in (True, False):
        yield from _unweighted(put_back=put_back)
    yield from _prepared()


def error(one: Picture, other: Picture) -> float:
    """The relative error, as it is."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def scaled(one: Picture, other: Picture) -> Picture:
    """``one`` at the (complex) scale that brings it nearest to ``other``."""
    best: Picture = one * (np.vdot(one, other) / np.vdot(one, one))
    return best


def _theirs() -> dict[str, Picture]:
    with h5py.File(data_file("mrd/skyra14_noise_grappa3_gadgetron.h5"), "r") as file:
        root = file[next(iter(file))]
        return {
            role: root[group]["data"][0, 0, 0].astype(np.float64) / factor
            for role, (group, factor) in THEIRS.items()
        }


def _keeper(found: dict[str, Picture]) -> Any:  # noqa: ANN401 - a callback
    def keep(image: Image) -> None:
        found[str(image.meta["ScansideRole"])] = image.data[0, 0].numpy().astype(np.float64)

    return keep


def _compared(
    name: str, found: dict[str, Picture], theirs: dict[str, Picture], bottles: Picture, *, smooth: bool
) -> Iterator[Figure]:
    """Errors inside the bottles; without the filter, its gain at low frequencies is put in once."""
    for role, other in theirs.items():
        one, two = found[role][bottles], other[bottles]
        limit = 0.03 if smooth else None
        ratio = float(np.median(one / two))
        yield Figure(
            name=f"{name}: {role}, absolute",
            value=error(one, two),
            limit=limit,
            note=f"median ratio {ratio:.3f}",
        )
        yield Figure(name=f"{name}: {role}, best scale", value=error(scaled(one, two), two), limit=limit)
    if not smooth:
        gain = _gain()
        one, two = found["image"][bottles] * gain, theirs["image"][bottles]
        note = f"gain {gain:.3f} of exp(-x^2/2) with unit mean square, both axes"
        yield Figure(name=f"{name}: image times the filter's gain", value=error(one, two), note=note)


def _gain() -> float:
    """What the filter of unit mean square multiplies the centre of k-space with, over two axes."""
    x = np.linspace(-1, 1, 1001)
    return float(1 / np.mean(np.exp(-(x**2))))


def _background(name: str, found: dict[str, Picture]) -> Iterator[Figure]:
    """Magnitudes of noise of sd g: mean sqrt(pi/2) g, sd sqrt(2 - pi/2) g, times what n samples leave.

    The adaptive maps come from the same lines as the image and follow their noise where there is no signal,
    so that these are above 1; ``_unweighted`` takes the maps out.
    """
    ratio = _corners(found["image"] / found["gfactor"])
    mean, sd = (math.sqrt(value) * FINITE for value in (math.pi / 2, 2 - math.pi / 2))
    count = f"{ratio.size} pixels in the corners; the adaptive maps follow the noise there"
    yield Figure(name=f"{name}: background mean / expected", value=float(ratio.mean() / mean), note=count)
    yield Figure(name=f"{name}: background sd / expected", value=float(ratio.std() / sd), note=count)


def _unweighted(*, put_back: bool) -> Iterator[Figure]:
    """The noise of each coil's own image in the corners, where the weights cannot depend on it."""
    items = _through([*_first_half(), Grappa(put_back=put_back)])
    coils = next(item for item in items if isinstance(item, CoilImage))
    ratios = []
    for coil in range(CHANNELS):
        weights = torch.zeros_like(coils.data)
        weights[coil] = 1
        sd = coils.noise.sd(weights)[0].numpy()
        ratios.append(_corners(coils.data[coil, 0].abs().numpy() / sd))
    ratio = np.concatenate(ratios)
    name = f"coil images, {'' if put_back else 'not '}put back: background"
    for what, value, one in (("mean", ratio.mean(), math.pi / 2), ("sd", ratio.std(), 2 - math.pi / 2)):
        off = abs(float(value) / (math.sqrt(one) * FINITE) - 1)
        note = f"of {float(value):.3f} g from {math.sqrt(one) * FINITE:.3f} g"
        yield Figure(name=f"{name} {what}, deviation", value=off, note=note)


def _corners(image: Picture) -> Picture:
    ends = (slice(0, CORNER), slice(-CORNER, None))
    return np.concatenate([image[y, x].ravel() for y in ends for x in ends])


def _prepared() -> Iterator[Figure]:
    """Our whitened and placed lines beside the companion's, and what the difference is made of."""
    try:
        import scipy.io
    except ImportError:
        raise SkippedError("the companion's stages: scipy is not installed") from None
    theirs = scipy.io.loadmat(str(data_file("mrd/skyra14_noise_grappa3_stages.mat")))["data"].transpose(
        2, 1, 0
    )
    lines = np.abs(theirs).sum((0, 2)) > 0
    one, two = (each[:, lines].reshape(CHANNELS, -1) for each in (_kspace(), theirs))
    matrix = two @ np.linalg.pinv(one)
    values = np.linalg.svd(matrix, compute_uv=False)
    width = math.sqrt(CHANNELS / SAMPLES)
    yield Figure(
        name="prepared k-space, absolute", value=error(one, two), limit=0.03, note=f"{int(lines.sum())} lines"
    )
    yield Figure(name="prepared k-space, best scale", value=error(scaled(one, two), two), limit=0.03)
    yield Figure(
        name="prepared k-space, best channel matrix M",
        value=error(matrix @ one, two),
        limit=1e-5,
        note="lines, oversampling and placing are the same; whitening differs",
    )
    note = f"expected between two noise scans: {1 - width:.3f} to {1 + width:.3f}, 1 -+ sqrt(p / n)"
    yield Figure(name="M: smallest singular value", value=float(values.min()), note=note)
    yield Figure(name="M: largest singular value", value=float(values.max()), note=note)


def _kspace() -> Picture:
    """The placed lines of the chain's first half, [channel, k1, k0]."""
    kspace = next(item for item in _through(_first_half()) if isinstance(item, Kspace))
    lines: Picture = to_kspace(kspace.data[0, 0, 0, :, 0]).numpy()
    return lines


def _first_half() -> list[Gadget]:
    return [AlignEcho(), RemoveOversampling(), Prewhiten(), Accumulate()]


def _through(chain: list[Gadget]) -> list[Any]:
    """What the scan becomes in a part of a chain, in this process."""
    recorded = read_scan(data_file(SCAN))
    source = (part for item in recorded.runs() if isinstance(item, Readouts) for part in split(item))
    return list(run_chain(chain, source, read_header(recorded.xml)))
