"""``scanside demo``: the main job on a simulated scan, from the scanner's first byte to a picture."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCAN = "--matrix 256 --coils 8 --acceleration 2 --reference-lines 24 --snr 40 --repetitions 3 --seed 1"


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("demo", help="simulate a scan, reconstruct it through a server, draw a picture")
    own.add_argument(
        "-o", "--output", type=Path, default=Path("demo"), metavar="FOLDER", help="(%(default)s)"
    )
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Simulate, serve, replay, compare with the truth, draw; 1 when any step fails."""
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    scan, images, picture = folder / "scan.h5", folder / "images.h5", folder / "images.png"
    print("simulating an accelerated 8-channel scan with its noise scan ...", flush=True)
    if _word("simulate", "shepp-logan", *SCAN.split(), "-o", str(scan)):
        return 1
    with _server() as port:
        chain = ("--chain", "cartesian_grappa", "--to", f"127.0.0.1:{port}")
        if _word("replay", str(scan), *chain, "-o", str(images)):
            return 1
    print(f"NRMSE against the simulated truth: {_error(images, scan):.4f}")
    return _word("view", str(images), "-o", str(picture))


def _word(*arguments: str) -> int:
    from server.cli import main

    return main(arguments)


@contextmanager
def _server() -> Iterator[int]:
    """A server of its own process on a free port, ended afterwards."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            print(line.strip(), flush=True)
            yield int(line.rpartition(":")[2])
        finally:
            process.terminate()
            process.wait(30)


def _error(images: Path, scan: Path) -> float:
    """NRMSE at best scale of the first main image against the noiseless, fully sampled image."""
    import numpy as np

    from server.files.images import read_images
    from server.files.truth import read_truth

    first = next(iter(read_images(images))).data[0, 0]
    found = np.abs(first).astype(np.float64).reshape(first.shape[-2:])
    truth = np.abs(read_truth(scan)["image"].values).reshape(-1, *found.shape)[0]
    scale = (found * truth).sum() / (found * found).sum()
    return float(np.linalg.norm(scale * found - truth) / np.linalg.norm(truth))
