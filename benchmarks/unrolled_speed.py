"""What an unrolled image costs in processor seconds: set-up while lines arrive, the rest behind the last one.

230 x 180, 8 coils, R = 3, by number of threads; then each backend that runs here, with its peak memory, every
row in a process of its own. Processor seconds, for the machine is shared; wall times are in the note.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.figures import Figure
from gadgets.data import CoilMaps
from gadgets.recon.learned.setting import settle
from models.nets.unrolled import Design
from models.runner import BACKENDS, start
from models.train.coils import random_coils
from models.train.fields import window
from models.train.masks import uniform
from models.zoo import load

Y, X = 230, 180
MODEL = "unrolled-2d"


def run() -> Iterator[Figure]:
    """Stages by threads, backends by threads."""
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        yield from _stages(threads)
    torch.set_num_threads(before)
    for threads in (1, 2):
        for name in BACKENDS:
            yield _backend(name, threads)


def taken(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Processor seconds and wall milliseconds, the least of some runs behind one that does not count."""
    work()
    found = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - cpu, 1e3 * (time.perf_counter() - wall)))
    return min(each[0] for each in found), min(each[1] for each in found)


def _stages(threads: int) -> Iterator[Figure]:
    from benchmarks.unrolled_quality import setup

    random = np.random.default_rng(0)
    coils = random_coils(random, window(random, Y, X))
    kspace = torch.randn(len(coils), Y, X, dtype=torch.complex64)[:8]
    pattern = uniform(Y, 3, 24)
    model = load(MODEL)
    design = model.card.design
    assert isinstance(design, Design)
    first = setup(kspace, pattern)
    encoding = _encoding(kspace)
    reference = _reference(kspace, pattern.reference)
    maps: CoilMaps = first.maps
    sampled = pattern.weights.to(torch.int32)[None]
    ready = settle(maps, sampled, reference, encoding).ready(design)
    adjoint = ready.coils.adjoint(ready.window.cut(kspace[:, None], -2)[:, 0], ready.weights)
    linear = ready.linear(adjoint)
    inputs = ready.inputs(adjoint, linear, design)
    backend = start(model)
    answer = backend.infer(inputs)
    stages: dict[str, Callable[[], object]] = {
        "set-up: coil maps by ESPIRiT and all below": lambda: setup(kspace, pattern).ready(design),
        "set-up: C * K, two inverses, noise map, matrices": lambda: settle(
            maps, sampled, reference, encoding
        ).ready(design),
        "A^H y": lambda: ready.coils.adjoint(ready.window.cut(kspace[:, None], -2)[:, 0], ready.weights),
        "linear image": lambda: ready.linear(adjoint),
        "inputs": lambda: ready.inputs(adjoint, linear, design),
        "network": lambda: backend.infer(inputs),
        "last step": lambda: ready.image(answer, adjoint, design),
    }
    for name, work in stages.items():
        cpu, wall = taken(work)
        yield Figure(name=f"{name}, {threads} threads", value=cpu, unit="CPU s", note=f"{wall:.0f} ms wall")


def _encoding(kspace: torch.Tensor):  # noqa: ANN202
    from gadgets.scan import Encoding, Limit, Space

    size, points = kspace.shape[1:]
    space = Space(matrix=(points, size, 1), fov=(0.2, 0.2, 0.005))
    limit = {"kspace_encode_step_1": Limit(minimum=0, maximum=size - 1, center=size // 2)}
    return Encoding(encoded=space, recon=space, limits=limit, acceleration=(3, 1), calibration="embedded")


def _reference(kspace: torch.Tensor, lines: range):  # noqa: ANN202
    from gadgets.data import Reference

    size, points = kspace.shape[1:]
    return Reference(
        data=kspace[:, None, lines.start : lines.stop],
        first=(0, lines.start),
        shape=(1, size, points),
        encoding=0,
        slice=0,
        transformed=True,
        notes={"ScansideNoise": "scan"},
    )


def _backend(name: str, threads: int) -> Figure:
    """One backend in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.unrolled_speed", name, str(threads)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    label = f"{name}, {threads} threads, {Y} x {X}"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Figure(name=f"{label}: not executed", value=float("nan"), note=reason.partition(": ")[2][:90])
    facts = json.loads(done.stdout)
    note = f"{facts['wall']:.0f} ms wall, peak memory of the process {facts['memory']:.0f} MiB"
    return Figure(name=label, value=facts["cpu"], unit="CPU s", note=note)


def one(name: str, threads: int) -> None:
    """Print what a backend takes as JSON."""
    import resource

    from models.runner import pad

    torch.set_num_threads(threads)
    model = load(MODEL)
    backend = start(model, name)
    inputs = pad(model.form.example(1, (Y, X), 0))
    cpu, wall = taken(lambda: backend.infer(inputs))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": wall, "memory": memory}))


if __name__ == "__main__":
    one(sys.argv[1], int(sys.argv[2]))
