"""What twenty who watch the page cost a scan: processor time of its keeper and worker, with and without them.

SCANSIDE_BENCH_PAIRS says how many pairs (12).
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

from benchmarks.figures import Figure, SkippedError, alternate, of, ratios
from benchmarks.ingest import SIZE, begin, kept, report, scanner
from benchmarks.processes import Server
from benchmarks.scans import simulated

VIEWERS = 20
SECONDS = 10.0
"""Of one scan: 32 coils, 512 samples, a line every 5 ms."""


def run() -> Iterator[Figure]:
    """Processor seconds of a scan's own processes with and without viewers, and their quotient."""
    pairs = int(os.environ.get("SCANSIDE_BENCH_PAIRS", "12"))
    path = simulated(*SIZE)
    seen = {"states": 0, "pictures": 0}
    with tempfile.TemporaryDirectory(prefix="scanside-viewers-") as name:
        folder = Path(name) / "state"
        with kept(folder, "--threads", "1") as server, _page(server.port) as address:
            token = json.loads((folder / "page.json").read_text())["viewer"]

            def alone() -> float:
                return _spent(server, path)

            def watched() -> float:
                with _watched(address, token, seen):
                    return _spent(server, path)

            without, with_ = alternate((alone, watched), pairs)
    more = ratios(with_, without)
    yield of("keeper and worker, nobody watches", without, unit="s", note=f"a scan of {SECONDS:.0f} s")
    yield of(f"keeper and worker, {VIEWERS} watch", with_, unit="s", note=f"{seen['pictures']} pictures seen")
    yield Figure(
        name=f"{VIEWERS} viewers / none, mean of {pairs} pairs",
        value=mean(with_) / mean(without),
        limit=1.02,
        spread=(min(more), max(more)),
    )
    yield of(f"{VIEWERS} viewers / none, median of the pairs", more, limit=1.02)


def _spent(server: Server, path: Path) -> float:
    """Processor seconds of a scan's keeper and worker, children that listener and template buried."""
    lasting, before = len(server.processes()), _buried(server)
    facts = report(begin(scanner("pace", server.port, SECONDS, path)))
    if facts["error"] or len(facts["lags"]) != facts["asked"]:
        raise RuntimeError(f"{len(facts['lags'])} of {facts['asked']} images: {facts['error']}")
    while len(server.processes()) > lasting:
        time.sleep(0.05)
    return _buried(server) - before


def _buried(server: Server) -> float:
    """Processor time of ended children that listener and template have waited for."""
    template = next(pid for pid in server.processes() if b"server.template" in _line(pid))
    return sum(_of_children(pid) for pid in (server.process.pid, template))


def _line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _of_children(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _page(port: int) -> Iterator[str]:
    """The address of the server's page, a process of its own.

    Raises SkippedError without the page's packages.
    """
    if not importlib.util.find_spec("starlette") or not importlib.util.find_spec("uvicorn"):
        raise SkippedError("no packages starlette and uvicorn (the extra page)")
    command = [sys.executable, "-m", "server.cli", "page", "--server", str(port), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip().rstrip("/")
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def _watched(address: str, token: str, seen: dict[str, int]) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.watcher", address, token, str(VIEWERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        for name, count in json.loads(process.communicate()[0]).items():
            seen[name] += count
