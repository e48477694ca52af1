"""Reception: four scanners at their own pace, and the highest rate before a sender has to wait.

SCANSIDE_BENCH_SECONDS says how long the four scan (20).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, alternate, of, ratios
from benchmarks.processes import Server, ours
from benchmarks.scans import simulated
from server.control.ask import snapshot
from server.control.folder import place

SCANNERS, COILS, SAMPLES, LINES, TR = 4, 32, 512, 128, 5e-3
GOAL = 16 * 64 / (SCANNERS * COILS)
"""How many times as much 16 scanners of 64 channels send."""

PERIOD = 2.0
"""Seconds between two looks at the server, which cost it time."""

FLOOD = 1 << 29
"""Bytes sent at once."""

SIZE = ("--matrix", f"{SAMPLES // 2}x{LINES}", "--coils", str(COILS), "--repetitions", "2")
DISCARD = """
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gadgets.data import Block
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Discard(Gadget):
    \"\"\"Nothing comes out.\"\"\"

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block]:
        for _ in stream:
            pass
        yield from ()
"""
CHEAP = "chain:\n- Discard\n"


def run() -> Iterator[Figure]:
    """Lag, bytes and memory at pace; then the rates."""
    seconds = float(os.environ.get("SCANSIDE_BENCH_SECONDS", "20"))
    path = simulated(*SIZE)
    with tempfile.TemporaryDirectory(prefix="scanside-ingest-") as folder:
        yield from _at_pace(Path(folder) / "paced", path, seconds)
        yield from _rates(Path(folder), path)


@contextmanager
def kept(folder: Path, *flags: str, **settings: str) -> Iterator[Server]:
    """A server whose state and spool lie in ``folder``."""
    for each in (folder, folder / "spool", folder / "plugins"):
        each.mkdir(mode=0o700)
    (folder / "plugins" / "discard.py").write_text(DISCARD)
    known = {"SPOOL": folder / "spool", "PLUGINS": folder / "plugins", "STATE": folder, "RUN": folder}
    before = dict(os.environ)
    os.environ.update({f"SCANSIDE_{name}": str(value) for name, value in (known | settings).items()})
    try:
        with ours(*flags) as server:
            yield server
    finally:
        os.environ.clear()
        os.environ.update(before)


def scanner(*words: object) -> subprocess.Popen[str]:
    """A scanner that is ready to begin."""
    command = [sys.executable, "-m", "benchmarks.scanner", *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def begin(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Let the scanner begin."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the scanner found."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a scanner left with exit code {process.returncode}")
    return dict(json.loads(said))


def _at_pace(folder: Path, path: Path, seconds: float) -> Iterator[Figure]:
    with kept(folder, "--threads", "1") as server:
        report(begin(scanner("pace", server.port, 2 * LINES * TR, path)))
        ready = [scanner("pace", server.port, seconds, path) for _ in range(SCANNERS)]
        spent, waiting, memory = server.seconds(), [0], [0.0]
        running = [begin(each) for each in ready]
        while any(each.poll() is None for each in running):
            waiting.append(_waiting(server.port))
            memory.append(server.memory())
            time.sleep(PERIOD)
        facts = [report(each) for each in running]
        spent = server.seconds() - spent
        time.sleep(0.5)
        found = {_digest(each) for each in (folder / "spool").glob("*/stream.mrd")}
    shutil.rmtree(folder)
    if errors := [each["error"] for each in facts if each["error"]]:
        raise RuntimeError(errors[0])
    lags = [lag for each in facts for lag in each["lags"]]
    asked = sum(each["asked"] for each in facts)
    rate = SCANNERS * COILS * SAMPLES * 8 / TR
    yield Figure(
        name="worst lag: last line of a slice sent to its image", value=max(lags), unit="s", limit=0.5,
        note=f"{SCANNERS} scanners, {COILS} x {SAMPLES}, TR 5 ms, {seconds:g} s, {rate / 1e6:.0f} MB/s",
    )  # fmt: skip
    yield Figure(name="median lag", value=median(lags), unit="s")
    yield Figure(name="most that waited in the ring (status)", value=max(waiting) / 1e6, unit="MB")
    yield Figure(name="latest line of a scanner", value=max(each["late"] for each in facts), unit="s")
    yield Figure(name="images", value=len(lags), limit=asked, sense="at least", note=f"of {asked}")
    same = sum(each["digest"] in found for each in facts)
    yield Figure(name="spooled equal byte for byte", value=same, limit=SCANNERS, sense="at least")
    yield Figure(name="memory, all processes", value=max(memory), unit="MB", note="greatest PSS")
    cores = spent / seconds
    note = f"{1e9 * cores / rate:.2f} ns a byte: 16 scanners x 64 channels need {GOAL * cores:.1f} cores"
    yield Figure(name="processor time of the server", value=cores, unit="cores", note=note)


def _waiting(port: int) -> int:
    """The most bytes that any worker has not read yet, as status says."""
    return max((int(each.get("lag") or 0) for each in snapshot(place(port))["sessions"]), default=0)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rates(folder: Path, path: Path) -> Iterator[Figure]:
    with ExitStack() as stack:
        full = stack.enter_context(kept(folder / "only", "--sessions", "0"))
        busy = stack.enter_context(kept(folder / "chain", "--threads", "1"))
        sides = [
            lambda: _bare(folder / "bare", path),
            lambda: _flood(full, folder / "only", path, "cartesian_fft"),
            lambda: _flood(busy, folder / "chain", path, CHEAP),
            lambda: _flood(busy, folder / "chain", path, "cartesian_fft"),
        ]
        before = full.seconds()
        bare, only, cheap, chain = alternate(sides, 5)
        cost = (full.seconds() - before) / (6 * FLOOD)
    yield of("bare receive + write", [each / 1e6 for each in bare], unit="MB/s", note=f"{FLOOD >> 20} MiB")
    need = GOAL * SCANNERS * COILS * SAMPLES * 8 / TR
    note = f"{1e9 * cost:.2f} ns a byte: {need / 1e6:.0f} MB/s (16 x 64) need {need * cost:.1f} cores"
    yield of("received and spooled alone", [each / 1e6 for each in only], unit="MB/s", note=note)
    for name, rates, asked in (
        ("spooled alone / bare", only, 0.6),
        ("spooled and decoded, nothing done / bare", cheap, 0.6),
        ("spooled and cartesian_fft / bare", chain, None),
    ):
        yield of(name, ratios(rates, bare), limit=asked, sense="at least")


def _flood(server: Server, folder: Path, path: Path, chain: str) -> float:
    """Bytes each second."""
    found = report(begin(scanner("flood", server.port, FLOOD, path, chain)))
    emptied(folder / "spool")
    return FLOOD / float(found["seconds"])


def emptied(spool: Path) -> None:
    """Remove what has been received."""
    until = time.monotonic() + 10
    while time.monotonic() < until and len(list(spool.glob("*/outcome.json"))) < len(list(spool.iterdir())):
        time.sleep(0.05)
    for each in spool.iterdir():
        shutil.rmtree(each)


BARE = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
view = memoryview(bytearray(1 << 20))
while count := connection.recv_into(view):
    os.write(file, view[:count])
"""


def _bare(target: Path, path: Path) -> float:
    """The same by a process that only receives and writes."""
    command = [sys.executable, "-c", BARE, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = report(begin(scanner("flood", port, FLOOD, path, "cartesian_fft")))
    target.unlink()
    return FLOOD / float(found["seconds"])
