"""The start of a scan on a warm server: from connect until its chain is ready, and until its first image."""

import time
from collections.abc import Iterator

from benchmarks.figures import Figure, of
from benchmarks.processes import Server, ours
from benchmarks.scans import simulated
from server.client import conversation, converse
from server.files.scan import RecordedScan, read_scan
from server.parameters import to_text

TIMES = 15
CHAINS = ("cartesian_fft", "cartesian_grappa")
SETTLE = 0.2
"""Seconds after which a worker that has ended is accounted for."""

UNKNOWN = to_text({"nosuchparameter": 1})
"""A parameter that no gadget has: the server warns of it as soon as the chain is built."""


def run() -> Iterator[Figure]:
    """A small scan (32 x 32, 4 coils), the first one of the server left out."""
    scan = read_scan(simulated("--matrix", "32", "--coils", "4"))
    with ours() as server:
        for chain in CHAINS:
            _one(server, chain, scan)
            ready, first, spent = zip(*(_one(server, chain, scan) for _ in range(TIMES)), strict=True)
            yield of(f"{chain}: connect to chain ready", ready, unit="ms", limit=50)
            yield of(f"{chain}: connect to first image", first, unit="ms")
            yield of(f"{chain}: processor time of the server, whole scan", spent, unit="ms")


def _one(server: Server, chain: str, scan: RecordedScan) -> tuple[float, float, float]:
    """Milliseconds to the chain's first word, to the first image, and of processor time."""
    words: list[float] = []
    before, begin = server.seconds(), time.perf_counter()
    answer = converse(
        ("127.0.0.1", server.port),
        conversation(chain, scan.xml, scan.runs(), UNKNOWN),
        told=lambda text: words.append(time.perf_counter() - begin),
        patience=60,
    )
    if answer.error:
        raise RuntimeError(answer.error)
    time.sleep(SETTLE)
    return 1000 * words[0], 1000 * answer.arrived[0], 1000 * (server.seconds() - before)
