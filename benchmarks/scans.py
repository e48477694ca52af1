"""The simulated scans that the benchmarks send, made once and kept in a temporary folder."""

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / "scanside-benchmarks"


def simulated(*options: str) -> Path:
    """The file of ``scanside simulate shepp-logan OPTIONS``, made now unless an earlier run has left it."""
    return made("shepp-logan" + "".join(options), "simulate", "shepp-logan", *options)


def made(name: str, *command: str) -> Path:
    """The file that ``scanside COMMAND -o FILE`` writes."""
    path = FOLDER / f"{name}.h5"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, "-m", "server.cli", *command, "-o", str(part)], check=True)
        part.replace(path)
    return path


def large(acceleration: int) -> Path:
    """256 x 256, 32 coils, 10 repetitions, oversampled twice: 337 MB fully sampled, 189 MB at R = 2."""
    options = ["--matrix", "256", "--coils", "32", "--repetitions", "10"]
    if acceleration > 1:
        options += ["--acceleration", str(acceleration), "--reference-lines", "32"]
    return simulated(*options)
