"""Latency at the scanner's own pace: from a slice's last line sent to its image received."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

from benchmarks.figures import Figure, SkippedError
from benchmarks.processes import fire, ours
from benchmarks.scans import simulated
from gadgets.data import Image, Readouts, Waveform
from gadgets.head import Flag
from server.client import conversation, converse, paced
from server.files.scan import RecordedScan, read_scan

SLICES, REPETITIONS = 4, 3
SIZE = ("--matrix", "128", "--coils", "8", "--slices", str(SLICES), "--repetitions", str(REPETITIONS))

Key = tuple[int, int]
"""Repetition and slice."""


def run() -> Iterator[Figure]:
    """Ours with two chains, and the peer where it is there; the first scan of each server does not count."""
    full = read_scan(simulated(*SIZE))
    half = read_scan(simulated(*SIZE, "--acceleration", "2"))
    with ours() as server:
        for chain, scan in (("cartesian_fft", full), ("cartesian_grappa", half)):
            replay(server.port, chain, scan, real=False)
            yield from _figures(chain, *replay(server.port, chain, scan), SLICES * REPETITIONS)
    try:
        with fire() as server:
            replay(server.port, "simplefft", full, real=False)
            yield from _figures("simplefft", *replay(server.port, "simplefft", full))
    except SkippedError as reason:
        yield Figure(name="simplefft", value=float("nan"), note=str(reason))


def _figures(
    chain: str, sent: dict[Key, float], seen: dict[Key, float], asked: int | None = None
) -> Iterator[Figure]:
    waits = [1000 * (seen[key] - sent[key]) for key in sorted(sent) if key in seen]
    order = sorted(sent.values())
    following = {key: min((at for at in order if at > sent[key]), default=float("inf")) for key in sent}
    on_time = sum(seen.get(key, float("inf")) < following[key] for key in sent)
    yield Figure(
        name=f"{chain}: latency, median", value=median(waits), unit="ms", note=f"{len(waits)} images"
    )
    yield Figure(name=f"{chain}: latency, max", value=max(waits), unit="ms")
    yield Figure(
        name=f"{chain}: images before the next slice was sent",
        value=on_time,
        limit=asked,
        sense="at least",
        note=f"of {len(sent)}; a slice is sent in {1000 * min(_steps(order)):.0f} ms",
    )


def _steps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def replay(
    port: int, chain: str, scan: RecordedScan, *, real: bool = True
) -> tuple[dict[Key, float], dict[Key, float]]:
    """When each slice's last line had been sent, and when its first image was there."""
    sent: dict[Key, float] = {}
    seen: dict[Key, float] = {}

    def keep(image: Image) -> None:
        seen.setdefault((int(image.head["repetition"]), int(image.head["slice"])), time.perf_counter())

    parts = _parts(chain, scan, paced(scan.runs()) if real else scan.runs(), sent)
    answer = converse(("127.0.0.1", port), parts, keep, patience=60)
    if answer.error:
        raise RuntimeError(answer.error)
    return sent, seen


def _parts(
    chain: str, scan: RecordedScan, items: Iterator[Readouts | Waveform], sent: dict[Key, float]
) -> Iterator[bytes]:
    """The conversation; it goes on when a part has been sent, which is noted for the last lines."""
    lines: list[Readouts] = []

    def noted() -> Iterator[Readouts | Waveform]:
        for item in items:
            lines[:] = [item] if isinstance(item, Readouts) else []
            yield item

    clock: Callable[[], float] = time.perf_counter
    for part in conversation(chain, scan.xml, noted()):
        yield part
        for head in (row for item in lines for row in item.head):
            if int(head["flags"]) & Flag.LAST_IN_SLICE:
                sent[int(head["idx"]["repetition"]), int(head["idx"]["slice"])] = clock()
        lines.clear()
