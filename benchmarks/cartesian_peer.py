"""Run by a Python that has SigPy, mrpro or deepinv: ``given.npz taken.npz '{"tasks": [...], "times": N}'``.

Arrays are [coil, y, x]; each task names a peer, what it does, its maps and samples, and its weights.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

for operator in ("qnms", "nms", "qroi_align", "roi_align"):
    # mrpro and deepinv import torchvision, whose CPU build lacks operators that it declares shapes for.
    torch.library.define(f"torchvision::{operator}", "(Tensor a) -> Tensor")

Array = NDArray[np.complex64]
WIDTH = 24
"""Reference lines and samples."""


def main() -> None:
    given, taken, words = sys.argv[1:]
    data, asked = dict(np.load(given)), json.loads(words)
    torch.set_num_threads(asked["threads"])
    found = {}
    for number, task in enumerate(asked["tasks"]):
        work = globals()[f"{task['peer']}_{task['what']}"]
        lines, mask = data[task["lines"]], data[task["mask"]]
        maps = data.get(task.get("maps", ""), np.zeros(0))
        for place, weight in enumerate(task.get("weights", [0.0])):
            run = work(lines, maps, mask, weight, task.get("iterations", 0))
            found[f"image{number}_{place}"], found[f"times{number}_{place}"] = measured(run, asked["times"])
    np.savez(taken, **found)


def measured(run: Callable[[], Array], times: int) -> tuple[Array, NDArray[np.float64]]:
    """The answer, and [wall, processor] seconds of each repetition after a first that does not count."""
    answer, seconds = run(), []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return answer, np.array(seconds).reshape(-1, 2)


def sigpy_maps(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    import sigpy.mri

    return lambda: sigpy.mri.app.EspiritCalib(lines, calib_width=WIDTH, crop=0.8, show_pbar=False).run()


def sigpy_cg(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    import sigpy.mri

    return lambda: sigpy.mri.app.SenseRecon(
        lines, maps, lamda=weight, weights=mask, max_iter=iterations, show_pbar=False
    ).run()


def sigpy_l1(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    import sigpy.mri

    return lambda: sigpy.mri.app.L1WaveletRecon(
        lines, maps, weight, weights=mask, max_iter=iterations, show_pbar=False
    ).run()


def mrpro_maps(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    """Inati's, the faster of its two; it has no ESPIRiT."""
    from mrpro.algorithms.csm import inati
    from mrpro.operators import FastFourierOp

    half = [slice(size // 2 - WIDTH // 2, size // 2 + WIDTH // 2) for size in lines.shape[1:]]
    window = np.zeros(lines.shape[1:], np.float32)
    window[half[0], half[1]] = np.outer(np.hanning(WIDTH), np.hanning(WIDTH))
    low = torch.from_numpy(lines * window)[:, None]

    def run() -> Array:
        (images,) = FastFourierOp(dim=(-2, -1)).adjoint(low)
        return inati(images, 5)[:, 0].numpy()

    return run


def _mrpro(lines: Array, maps: Array, mask: Array) -> Iterator[object]:
    from mrpro.operators import CartesianMaskingOp, FastFourierOp, SensitivityOp

    masking = CartesianMaskingOp(torch.from_numpy(mask)[None, None, None])
    coils = SensitivityOp(torch.from_numpy(maps)[None, :, None])
    return masking @ FastFourierOp(dim=(-2, -1)) @ coils, torch.from_numpy(lines)[None, :, None]


def mrpro_cg(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    from mrpro.algorithms.optimizers import cg

    encoding, target = _mrpro(lines, maps, mask)
    gram = encoding.gram

    def run() -> Array:
        (right,) = encoding.adjoint(target)
        (image,) = cg(lambda x: (gram(x)[0] + weight * x,), right, max_iterations=iterations, tolerance=0.0)
        return image[0, 0, 0].numpy()

    return run


def mrpro_l1(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    from mrpro.algorithms.optimizers import pgd
    from mrpro.operators import WaveletOp
    from mrpro.operators.functionals import L1Norm, L2NormSquared

    encoding, target = _mrpro(lines, maps, mask)
    wavelet = WaveletOp(domain_shape=lines.shape[1:], dim=(-2, -1), wavelet_name="db4", level=3)
    fidelity = 0.5 * L2NormSquared(target=target) @ encoding @ wavelet.H

    def run() -> Array:
        (right,) = encoding.adjoint(target)
        (start,) = wavelet(right)
        (found,) = pgd(fidelity, weight * L1Norm(), start, stepsize=1.0, max_iterations=iterations)
        (image,) = wavelet.adjoint(found)
        return image[0, 0, 0].numpy()

    return run


def deepinv_cg(lines: Array, maps: Array, mask: Array, weight: float, iterations: int) -> Callable[[], Array]:
    from deepinv.physics import MultiCoilMRI

    size = lines.shape[1:]
    physics = MultiCoilMRI(
        mask=torch.from_numpy(mask)[None, None], coil_maps=torch.from_numpy(maps)[None], img_size=size
    )
    target = torch.view_as_real(torch.from_numpy(lines)).movedim(-1, 0)[None].contiguous()
    start = torch.zeros(1, 2, *size)

    def run() -> Array:
        found = physics.prox_l2(start, target, 1 / weight, solver="CG", max_iter=iterations, tol=1e-12)
        return torch.complex(found[0, 0], found[0, 1]).numpy()

    return run


if __name__ == "__main__":
    main()
