"""The error of accelerated images of a real brain, beside Gadgetron's and a public Python GRAPPA's."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, SkippedError, data_file
from benchmarks.load import load, send
from benchmarks.processes import ours
from benchmarks.scans import made
from gadgets.data import Image
from server.files.arrays import arrange, read_array
from server.wire.messages import ConfigText

FILE = "cartesian/brain8_full.cfl"
GADGETRON = {2: 0.0297, 3: 0.0559, 4: 0.1369}
"""What the real Gadgetron reaches, by R."""

LINES = 24
READOUT, PHASE = 1, 2
"""Axes of the file: 230 samples, 180 lines."""

LAMBDAS = (1e-4, 5e-4, 1e-3, 1e-2, 5e-2, 0.2, 0.5)
OTHER = 0.01
"""The regularisation that pygrappa has when nobody says; ours comes from the data then."""

CHAIN = """chain:
- AlignEcho
- RemoveOversampling
- Prewhiten
- Accumulate
- Grappa: {{put_back: {put_back}{weight}}}
- Combine: {{method: {method}}}
{filter}- Resize
- Magnitude
"""

Picture = NDArray[Any]


def run() -> Iterator[Figure]:
    """Row (a) with Gadgetron's filter, row (b) without any, beside pygrappa."""
    kspace = arrange(read_array(data_file(FILE)), READOUT, PHASE, 3)[0]
    files = {1: _file(1)} | {factor: _file(factor) for factor in GADGETRON}
    with ours() as server:
        for put_back in (True, False):
            yield from _filtered(server.port, files, put_back=put_back)
        yield from _unfiltered(server.port, files, kspace)


def nrmse(image: Picture, truth: Picture) -> float:
    """The relative error at the best scale."""
    scaled = image * (np.vdot(image, truth) / np.vdot(image, image))
    return float(np.linalg.norm(scaled - truth) / np.linalg.norm(truth))


def _file(factor: int) -> Path:
    some = () if factor == 1 else ("--acceleration", str(factor), "--reference-lines", str(LINES))
    axes = ("--readout-axis", str(READOUT), "--phase-axis", str(PHASE))
    return made(f"brain8-{PHASE}-{factor}", "convert", str(data_file(FILE)), *axes, *some)


def _image(
    port: int,
    path: Path,
    *,
    put_back: bool = True,
    weight: float | None = None,
    method: str = "rss",
    smooth: bool = False,
) -> Picture:
    """The magnitude image that the server makes, [y, x]."""
    found: list[Picture] = []

    def keep(image: Image) -> None:
        found.append(image.data[0, 0].numpy().astype(np.float64))

    text = CHAIN.format(
        put_back=str(put_back).lower(),
        weight="" if weight is None else f", kernel: [5, 4], regularization: {weight}",
        method=method,
        filter="- KspaceFilter: {shape: gaussian}\n" if smooth else "",
    )
    send(port, load(path, ConfigText(text)), keep)
    return found[0]


def _filtered(port: int, files: dict[int, Path], *, put_back: bool) -> Iterator[Figure]:
    truth = _image(port, files[1], put_back=put_back, method="adaptive", smooth=True)
    for factor, gadgetron in GADGETRON.items():
        image = _image(port, files[factor], put_back=put_back, method="adaptive", smooth=True)
        yield Figure(
            name=f"(a) filtered, R={factor}, acquired lines {'put back' if put_back else 'not put back'}",
            value=nrmse(image, truth),
            limit=1.02 * gadgetron,
            note=f"Gadgetron {gadgetron}",
        )


def _unfiltered(port: int, files: dict[int, Path], kspace: Picture) -> Iterator[Figure]:
    """Against the root sum of squares of the full scan; both codes keep all acquired lines."""
    truth = _rss(kspace)
    python = os.environ.get("SCANSIDE_PEER_PYGRAPPA_PYTHON")
    for factor in GADGETRON:
        shipped = nrmse(_image(port, files[factor]), truth)
        mine = {weight: nrmse(_image(port, files[factor], weight=weight), truth) for weight in LAMBDAS}
        theirs = _pygrappa(python, kspace, factor, truth) if python else {}
        best = min((error for errors in theirs.values() for error in errors.values()), default=None)
        plain = min((errors[OTHER] for errors in theirs.values()), default=None)
        yield Figure(
            name=f"(b) unfiltered, R={factor}, as shipped",
            value=shipped,
            limit=best,
            note=f"nothing tuned, against pygrappa's lambda chosen with the truth; as shipped it has {plain}",
        )
        yield Figure(
            name=f"(b) unfiltered, R={factor}, kernel 5 x 4, lambda chosen with the truth",
            value=min(mine.values()),
            limit=best,
            note=f"lambda {min(mine, key=mine.__getitem__):g}",
        )
        for kernel, errors in theirs.items():
            name = f"    pygrappa, R={factor}, kernel {kernel}"
            yield Figure(name=f"{name}, lambda {OTHER:g}", value=errors[OTHER])
            weight = min(errors, key=errors.__getitem__)
            yield Figure(name=f"{name}, best lambda", value=errors[weight], note=f"lambda {weight:g}")
    if not python:
        raise SkippedError("pygrappa beside it: set SCANSIDE_PEER_PYGRAPPA_PYTHON to a Python that has it")


def _rss(kspace: Picture) -> Picture:
    """[coil, y, x] to [y, x]."""
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (-2, -1))), (-2, -1))
    found: Picture = np.sqrt((np.abs(image) ** 2).sum(0))
    return found


def _pygrappa(python: str, kspace: Picture, factor: int, truth: Picture) -> dict[str, dict[float, float]]:
    """The errors of pygrappa by kernel and lambda, from the same lines, acquired lines put back."""
    size = kspace.shape[1]
    y = np.arange(size)
    reference = (y >= size // 2 - LINES // 2) & (y < size // 2 + LINES // 2)
    acquired = ((y - size // 2) % factor == 0) | reference
    kernels = {"5 x 5 (its default)": (5, 5), "5 x 4 acquired lines": (5, 4 * factor - 1)}
    errors: dict[str, dict[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "given.npz", Path(folder) / "taken.npz"
        np.savez(given, kspace=kspace * acquired[:, None], calib=kspace[:, reference])
        words = {"kernels": list(kernels.values()), "lambdas": LAMBDAS}
        command = [python, str(Path(__file__).parent / "pygrappa_peer.py"), str(given), str(taken)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run([*command, json.dumps(words)], check=True, env=clean, timeout=600)
        filled = np.load(taken)["filled"]
    for (name, _), by_weight in zip(kernels.items(), filled, strict=True):
        errors[name] = {}
        for weight, lines in zip(LAMBDAS, by_weight, strict=True):
            lines[:, acquired] = kspace[:, acquired]
            errors[name][weight] = nrmse(_rss(lines), truth)
    return errors
