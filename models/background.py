"""Exports and engines made beside the scans: a process of low priority, one for each, whoever asks."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import torch

from models import places
from models.backends.ort import PROVIDERS
from models.backends.trt import LIBRARIES
from models.zoo import Model

started: list["subprocess.Popen[bytes]"] = []
"""By this process; they go on when it ends."""


def build(model: Model, backend: str, precision: str, *, asked: bool) -> None:
    """Begin to make what a backend lacks, unless that is going on, or no device could run it.

    Only for a backend that was ``asked`` for, or that a GPU of this machine could run.
    """
    if backend not in (*PROVIDERS, *LIBRARIES):
        return
    gpu = torch.cuda.is_available()
    if not (gpu if backend in LIBRARIES else asked):
        return
    words = [sys.executable, "-P", "-m", "models.background", str(model.path), backend, precision]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
    running = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
    )
    started.append(running)


def main(card: str, backend: str, precision: str) -> int:
    """Make the export, and the engine where the backend has one; 0 also where another process does."""
    from models import engine, zoo
    from models.export import export, fault, kept

    os.nice(10)
    torch.set_num_threads(1)
    model = zoo.load(card)
    places.engines().mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{model.sha256} {backend} {precision}".encode()).hexdigest()[:16]
    with (places.engines() / f"{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        if backend in LIBRARIES:
            engine.engine(model, backend, precision)
        elif fault(kept(model, precision)):
            export(model, kept(model, precision), precision)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
