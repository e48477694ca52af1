"""Coil maps, CG-SENSE and L1-wavelet beside BART, SigPy, mrpro and deepinv: 256 x 256, 8 coils, same data.

Wall and processor seconds are both told: on a machine that others use, only the latter compare.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure
from benchmarks.rivals import Task, Times, answers, nrmse
from gadgets.arrays import root_sum_of_squares, to_image
from gadgets.kspace.coilmaps.espirit import espirit
from gadgets.recon.cartesian import encode
from gadgets.recon.sense.encoding import solve
from gadgets.recon.sparse.fista import sparse
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate

SIZE, COILS, LINES, THREADS, TIMES = 256, 8, 24, 2, 5
SCATTERED = 76
"""Lines of the random pattern, of 256."""

RIDGE = 0.01
LEVEL = 0.005
"""Of the wavelet threshold, where the brightest pixel is 1; the wavelet is the one that BART has, db2."""


def run() -> Iterator[Figure]:
    """Seconds of each, and ours over the fastest other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield from _all()
    finally:
        torch.set_num_threads(threads)


def _all() -> Iterator[Figure]:
    arrays, truth, inside = data()
    names = {"lines": "uniform", "mask": "regular", "maps": "maps"}
    scattered = {"lines": "random", "mask": "scattered", "maps": "maps"}
    groups = {
        "maps": [
            Task(peer=peer, what="maps", lines="full", mask="regular") for peer in ("bart", "sigpy", "mrpro")
        ],
        "cg": [
            Task(peer=peer, what="cg", **names, weights=(RIDGE,), iterations=20)
            for peer in ("bart", "sigpy", "mrpro", "deepinv")
        ],
        "l1": [
            Task(peer=peer, what="l1", **scattered, weights=(LEVEL,), iterations=50)
            for peer in ("bart", "sigpy", "mrpro")
        ],
    }
    own = ours(arrays)
    for what, tasks in groups.items():
        image, first = measured(own[what])
        theirs = answers(tasks, arrays, times=TIMES, threads=THREADS)
        _, last = measured(own[what])
        times = np.concatenate([first, last])
        yield from _figures(what, image, times, [(t.peer, *a[0]) for t, a in zip(tasks, theirs, strict=True)],
                            truth, inside)  # fmt: skip


def data() -> tuple[dict[str, NDArray[Any]], NDArray[Any], NDArray[np.bool_]]:
    """A head with noise, two patterns of lines, our ESPIRiT maps; its full image, and where it is."""
    sampling = Sampling(lines=SIZE)
    scan = simulate(Protocol(sampling=sampling, columns=SIZE, coils=COILS, oversampling=1, snr=100.0))
    generator = torch.Generator().manual_seed(0)
    noise = torch.complex(*(torch.randn(scan.kspace[0].shape, generator=generator) for _ in range(2)))
    lines = scan.kspace[0]
    level = float(root_sum_of_squares(to_image(lines, (-2, -1))).max())
    lines = lines / level + noise * 0.005
    truth = root_sum_of_squares(to_image(lines, (-2, -1))).numpy()
    regular, scattered = torch.zeros(SIZE), torch.zeros(SIZE)
    regular[::2] = 1
    distance = (torch.arange(SIZE) - SIZE // 2).abs() + 12.0
    chosen = torch.multinomial(1 / distance, SCATTERED - LINES, generator=generator)
    scattered[chosen] = 1
    for mask in (regular, scattered):
        mask[SIZE // 2 - LINES // 2 : SIZE // 2 + LINES // 2] = 1
    maps = espirit(_centre(lines), (1, SIZE, SIZE))[0, :, 0]
    plane = torch.ones(SIZE)
    arrays = {
        "full": lines,
        "uniform": lines * regular[:, None],
        "regular": regular[:, None] * plane,
        "random": lines * scattered[:, None],
        "scattered": scattered[:, None] * plane,
        "maps": maps,
    }
    inside = (scan.object[0].numpy() > 0.01) & (maps.abs().sum(0).numpy() > 0)
    return {name: array.numpy() for name, array in arrays.items()}, truth, inside


def _centre(lines: torch.Tensor) -> torch.Tensor:
    some = slice(SIZE // 2 - LINES // 2, SIZE // 2 + LINES // 2)
    return lines[:, None, some, some].contiguous()


def ours(arrays: dict[str, NDArray[Any]]) -> dict[str, Callable[[], NDArray[Any]]]:
    """What is measured: everything from k-space on, the transform along the readout included."""
    given = {name: torch.from_numpy(array) for name, array in arrays.items()}
    maps = given["maps"][None, :, None]

    def own_maps() -> NDArray[Any]:
        return espirit(_centre(given["full"]), (1, SIZE, SIZE))[0, :, 0].numpy()

    def own_cg() -> NDArray[Any]:
        encoding, lines = encode(given["uniform"], maps, given["regular"][:, 0])
        image = solve(encoding, encoding.adjoint(lines), RIDGE, iterations=20, tolerance=0.0)
        return encoding.unlay(image)[0, 0].numpy()

    def own_l1() -> NDArray[Any]:
        encoding, lines = encode(given["random"], maps, given["scattered"][:, 0])
        weight = LEVEL / float(encoding.weights.mean()) ** 0.5
        return sparse(encoding, lines, weight=weight, wavelet="db2", iterations=50)[0, 0].numpy()

    return {"maps": own_maps, "cg": own_cg, "l1": own_l1}


def measured(work: Callable[[], NDArray[Any]]) -> tuple[NDArray[Any], Times]:
    """The answer, and (wall, processor) seconds of each repetition after a first that does not count."""
    answer, seconds = work(), []
    for _ in range(TIMES):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return answer, np.array(seconds)


def _figures(
    what: str,
    image: NDArray[Any],
    times: Times,
    theirs: list[tuple[str, NDArray[Any], Times]],
    truth: NDArray[Any],
    inside: NDArray[np.bool_],
) -> Iterator[Figure]:
    name = {"maps": "ESPIRiT maps", "cg": "CG-SENSE, 20 iterations", "l1": "L1-wavelet, 50 iterations"}[what]
    limit = 0.5 if what == "maps" else 1.0
    sides = [("scanside", image, times), *theirs]
    for side, picture, seconds in sides:
        told = "" if what == "maps" else f"NRMSE {nrmse(picture, truth, inside):.4f}"
        note = f"{told} processor {np.median(seconds[:, 1]):.3f} s, least wall {seconds[:, 0].min():.3f} s"
        spread = (float(seconds[:, 0].min()), float(seconds[:, 0].max()))
        yield Figure(
            name=f"{name}: {side}", value=float(np.median(seconds[:, 0])), unit="s", spread=spread, note=note
        )
    for kind, column in (("wall", 0), ("processor", 1)):
        fastest = min(theirs, key=lambda one: float(np.median(one[2][:, column])))
        ratio = float(np.median(times[:, column]) / np.median(fastest[2][:, column]))
        yield Figure(
            name=f"{name}: {kind} time over the fastest other", value=ratio, limit=limit, note=fastest[0]
        )
    if what != "maps":
        best = min(nrmse(picture, truth, inside) for _, picture, _ in theirs)
        yield Figure(
            name=f"{name}: NRMSE",
            value=nrmse(image, truth, inside),
            limit=best * 1.001,
            note="the best other",
        )
