"""Other programs on the same arrays: BART; SigPy, mrpro and deepinv in a Python of their own.

``SCANSIDE_PEER_BART`` is BART's command, ``SCANSIDE_PEER_CARTESIAN_PYTHON`` a Python that has the others.
Arrays are [coil, y, x]; times are (wall, processor) seconds of each repetition.
"""

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import SkippedError

Array = NDArray[np.complex64]
Times = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a peer does: ``maps``, ``cg`` or ``l1``; arrays by name, one answer for each weight."""

    peer: str
    what: str
    lines: str
    mask: str
    maps: str = ""
    weights: tuple[float, ...] = (0.0,)
    iterations: int = 0


Answers = list[list[tuple[Array, Times]]]
"""By task, then by weight."""


def answers(tasks: Sequence[Task], arrays: dict[str, NDArray[Any]], *, times: int, threads: int) -> Answers:
    """What the peers answer.

    Raises SkippedError where one of them cannot be found.
    """
    theirs = [task for task in tasks if task.peer != "bart"]
    python = iter(_python(theirs, arrays, times, threads) if theirs else [])
    return [_bart(task, arrays, times, threads) if task.peer == "bart" else next(python) for task in tasks]


def found(name: str) -> str:
    """The program that an environment variable names.

    Raises SkippedError where it does not.
    """
    program = os.environ.get(name)
    if not program:
        raise SkippedError(f"set {name}")
    return program


def _python(tasks: Sequence[Task], arrays: dict[str, NDArray[Any]], times: int, threads: int) -> Answers:
    program = found("SCANSIDE_PEER_CARTESIAN_PYTHON")
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "given.npz", Path(folder) / "taken.npz"
        np.savez(given, **arrays)
        words = json.dumps({"tasks": [vars(task) for task in tasks], "times": times, "threads": threads})
        command = [program, str(Path(__file__).parent / "cartesian_peer.py"), str(given), str(taken), words]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment = {**clean, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(
            command, check=True, env=environment, cwd=folder, timeout=3000, stdout=subprocess.DEVNULL
        )
        told = np.load(taken)
        return [
            [
                (told[f"image{number}_{place}"], told[f"times{number}_{place}"])
                for place in range(len(task.weights))
            ]
            for number, task in enumerate(tasks)
        ]


def _bart(task: Task, arrays: dict[str, NDArray[Any]], times: int, threads: int) -> list[tuple[Array, Times]]:
    """BART counts the whole process and its files, a few milliseconds more than the work."""
    program = found("SCANSIDE_PEER_BART")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "lines", arrays[task.lines])
        if task.maps:
            _write(folder / "maps", arrays[task.maps])
        done = []
        for weight in task.weights:
            words = {
                "maps": ["ecalib", "-m1", "-r24", "lines", "out"],
                "cg": [
                    "pics",
                    "-S",
                    "-w1",
                    "-l2",
                    f"-r{weight}",
                    f"-i{task.iterations}",
                    "lines",
                    "maps",
                    "out",
                ],
                "l1": [
                    "pics",
                    "-S",
                    "-w1",
                    "-RW:3:0:" + str(weight),
                    f"-i{task.iterations}",
                    "lines",
                    "maps",
                    "out",
                ],
            }[task.what]
            seconds = [_timed([program, *words], folder, threads) for _ in range(1 + times)][1:]
            shape = arrays[task.lines].shape
            values = np.fromfile(folder / "out.cfl", np.complex64)
            image = values.reshape(shape) if task.what == "maps" else values.reshape(shape[1:])
            done.append((image, np.array(seconds).reshape(-1, 2)))
        return done


def _timed(command: list[str], folder: Path, threads: int) -> tuple[float, float]:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, cwd=folder, env=environment, timeout=600, capture_output=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write(path: Path, array: NDArray[Any]) -> None:
    """[coil, y, x] as BART's (x, y, 1, coil), first axis fastest."""
    coils, height, width = array.shape
    array.astype(np.complex64).tofile(path.with_suffix(".cfl"))
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{width} {height} 1 {coils}\n")


def nrmse(image: NDArray[Any], truth: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """The relative error of the magnitude inside a mask, at the best scale."""
    found_, true = np.abs(image)[inside].astype(np.float64), truth[inside].astype(np.float64)
    scaled = found_ * (found_ @ true) / max(found_ @ found_, 1e-30)
    return float(np.linalg.norm(scaled - true) / np.linalg.norm(true))


def ssim(image: NDArray[Any], truth: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """Mean structural similarity inside a mask at the best scale (Wang et al., IEEE TIP 13:600, 2004).

    Windows of 7 x 7, K1 = 0.01, K2 = 0.03, the range that of the truth.
    """
    one, two = np.abs(image).astype(np.float64), truth.astype(np.float64)
    one = one * (one[inside] @ two[inside]) / max(one[inside] @ one[inside], 1e-30)
    mean1, mean2 = _box(one), _box(two)
    norm = 49 / 48
    var1, var2 = norm * (_box(one * one) - mean1**2), norm * (_box(two * two) - mean2**2)
    both = norm * (_box(one * two) - mean1 * mean2)
    small1, small2 = (0.01 * two.max()) ** 2, (0.03 * two.max()) ** 2
    similar = (2 * mean1 * mean2 + small1) * (2 * both + small2)
    similar /= (mean1**2 + mean2**2 + small1) * (var1 + var2 + small2)
    return float(similar[inside].mean())


def _box(array: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(array, 3, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))
    mean: NDArray[np.float64] = windows.mean((-2, -1))
    return mean
