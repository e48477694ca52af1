"""Partial Fourier 6/8 of real scans along each axis: our ways and BART's homodyne against the whole scan.

One channel each, or eight that our maps combine. NRMSE at the best scale and SSIM of the magnitude, inside.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.rivals import found, nrmse, ssim
from gadgets.arrays import to_image, to_kspace, weighted_sum
from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.maps import expand, from_image
from gadgets.image.partial_fourier import PartialFourier
from gadgets.scan import Scan
from server.files.arrays import arrange, read_array

SCANS = {"T2 brain": ("brain1_t2", "kData"), "knee": ("knee1_fatsat", "kdata")}
"""Name: file and variable."""

RAMPS = ("0.9", "0.75", "0.5", "0.25", "0")
"""BART's homodyne: the part of the symmetric region that is flat; all are tried."""

WAYS: dict[str, tuple[PartialFourier, ...]] = {
    "filter": (PartialFourier(method="filter"),),
    "homodyne": tuple(PartialFourier(width=width) for width in (0.1, 0.25, 0.5, 0.75, 1.0)),
    "POCS": tuple(PartialFourier(method="pocs", transition=points) for points in (0, 8, 24)),
}
"""The parameters that are tried: homodyne's edges as wide as BART's ramps, and POCS."""


def run() -> Iterator[Figure]:
    """By scan and axis: zero-filled, each of our ways, BART's; then our best over BART's."""
    for name, whole in _scans().items():
        for axis in (-2, -1):
            yield from _axis(f"{name}, {'yx'[axis]}", whole, axis)


def _axis(name: str, whole: torch.Tensor, axis: int) -> Iterator[Figure]:
    truth = to_image(whole, (-2, -1)).abs().numpy()
    inside = truth > 0.1 * np.quantile(truth, 0.99)
    size = whole.shape[axis]
    partial = whole.clone()
    partial.narrow(axis, size - size // 4, size // 4).zero_()
    zero = to_image(partial, (-2, -1))
    reach = {f"ScansideSampled{'YX'[axis]}": (-1.0, 2 * (size - size // 4 - size // 2) / size)}
    item = Image(data=zero[None, None], head=np.zeros((), IMAGE_HEAD), meta=reach)
    rows = {"zero-filled": [zero.numpy()]}
    for way, tried in WAYS.items():
        rows[way] = [next(iter(one.process([item], Scan()))).data[0, 0].numpy() for one in tried]
    rows["BART's homodyne"] = _bart(partial, axis)
    best = {way: min(images, key=lambda one: nrmse(one, truth, inside)) for way, images in rows.items()}
    errors = {way: nrmse(image, truth, inside) for way, image in best.items()}
    alike = {way: ssim(image, truth, inside) for way, image in best.items()}
    for way, error in errors.items():
        yield Figure(name=f"{name}: {way}", value=error, note=f"SSIM {alike[way]:.4f}")
    own = [way for way in WAYS if way != "filter"]
    other = "BART's homodyne"
    ratio = min(errors[way] for way in own) / errors[other]
    yield Figure(name=f"{name}: NRMSE over BART's", value=ratio, limit=1.01)
    ratio = errors["homodyne"] / errors[other]
    yield Figure(name=f"{name}: homodyne's NRMSE over BART's", value=ratio, limit=1.01)
    ratio = max(alike[way] for way in own) / alike[other]
    yield Figure(name=f"{name}: SSIM over BART's", value=ratio, limit=0.99, sense="at least")


def _scans() -> dict[str, torch.Tensor]:
    """k-space of one channel, complex64 [y, x], scaled to a brightest pixel of about 1."""
    try:
        import scipy.io
    except ImportError:
        raise SkippedError("scipy is not installed") from None
    scans = {}
    for name, (file, variable) in SCANS.items():
        values = scipy.io.loadmat(str(data_file(f"cartesian/{file}.mat")))[variable]
        scans[name] = torch.from_numpy(np.ascontiguousarray(values, np.complex64))
    coils = torch.from_numpy(arrange(read_array(data_file("cartesian/brain8_full.cfl")), 1, 2, 3)[0].copy())
    images = to_image(coils, (-2, -1))
    weights = expand(from_image(images[:, None]), (images.shape[-2], images.shape[-1])).conj().resolve_conj()
    scans["eight coils"] = to_kspace(weighted_sum(weights, images[:, None])[0], (-2, -1))
    return {name: lines / to_image(lines, (-2, -1)).abs().max() for name, lines in scans.items()}


def _bart(partial: torch.Tensor, axis: int) -> list[NDArray[Any]]:
    """BART's homodyne for each ramp."""
    program, images = found("SCANSIDE_PEER_BART"), []
    height, width = partial.shape
    size = partial.shape[axis]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        partial.numpy().tofile(folder / "in.cfl")
        (folder / "in.hdr").write_text(f"# Dimensions\n{width} {height}\n")
        fraction = str((size - size // 4) / size)
        for ramp in RAMPS:
            words = ["homodyne", "-C", "-r", ramp, str(-1 - axis), fraction, "in", "out"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            subprocess.run(
                [program, *words], check=True, cwd=folder, env=environment, timeout=60, capture_output=True
            )
            images.append(np.fromfile(folder / "out.cfl", np.complex64).reshape(height, width))
    return images
