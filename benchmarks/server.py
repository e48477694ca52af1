"""The whole server: time from connect to the last image, and memory; a peer does the same in turn."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.figures import Figure, SkippedError, alternate, of, ratios
from benchmarks.load import Load, into_nothing, load, send
from benchmarks.processes import Server, Watch, fire, ours
from benchmarks.scans import large, simulated

TIMES = 5
SETTLE = 0.2
"""Seconds after which a process that has ended is accounted for."""

REST = 2.0
"""Seconds after which a server is idle again."""


@dataclass(frozen=True)
class Case:
    """A chain, a scan, the part of simplefft's time that it may take, and half of Gadgetron's peak [MB]."""

    chain: str
    acceleration: int
    part: float
    growth: float

    @property
    def name(self) -> str:
        return f"{self.chain} R={self.acceleration}"


CASES = (
    Case("cartesian_fft", 1, 0.35, 418 / 2),
    Case("cartesian_grappa", 1, 0.5, 887 / 2),
    Case("cartesian_grappa", 2, 0.5, 775 / 2),
    Case("cartesian_grappa_compressed", 1, 0.5, 887 / 2),
    Case("cartesian_grappa_compressed", 2, 0.5, 775 / 2),
)


def run() -> Iterator[Figure]:
    """Time and memory of each case."""
    whole = load(large(1), "simplefft")
    for case in CASES:
        scan = load(large(case.acceleration), case.chain)
        yield from _times(case, scan, whole)
        yield from _memory(case, scan)
        del scan
        gc.collect()


def _times(case: Case, scan: Load, whole: Load) -> Iterator[Figure]:
    with ExitStack() as stack:
        sides, peer = _sides(stack, scan, whole)
        mine, floor, *theirs = alternate([side[0] for side in sides], TIMES)
    taken = sides[0][1][-TIMES:]
    size = f"{len(scan.data) / 1e6:.0f} MB"
    yield of(f"{case.name}: last image", mine, unit="s", note=size)
    yield of(f"{case.name}: first image", [first for first, _ in taken], unit="s")
    yield of(f"{case.name}: processor time of the server", [spent for _, spent in taken], unit="s")
    yield of(
        f"{case.name}: client alone / whole",
        ratios(floor, mine),
        limit=0.5,
        note="the client into a peer that only receives",
    )
    if not theirs:
        yield Figure(name=f"{case.name} / simplefft", value=float("nan"), note=peer)
        return
    yield of("  simplefft, same bytes: last image", theirs[0], unit="s")
    spent = [spent for _, spent in sides[2][1][-TIMES:]]
    yield of("  simplefft, same bytes: processor time", spent, unit="s")
    yield of(f"{case.name} / simplefft, same bytes", ratios(mine, theirs[0]), limit=case.part)
    if len(theirs) > 1:
        yield of(f"{case.name} / simplefft, full scan", ratios(mine, theirs[1]), limit=case.part)


Side = tuple[Callable[[], float], list[tuple[float, float]]]


def _sides(stack: ExitStack, scan: Load, whole: Load) -> tuple[list[Side], str]:
    """Ours, the client alone, and simplefft with the same scan and the full one; or why not."""
    sides: list[Side] = [_side(stack.enter_context(ours()), scan), (lambda: into_nothing(scan), [])]
    try:
        peer = stack.enter_context(fire())
    except SkippedError as reason:
        return sides, str(reason)
    sides.append(_side(peer, scan.named("simplefft")))
    if len(whole.data) != len(scan.data):
        sides.append(_side(peer, whole))
    return sides, ""


def _side(server: Server, scan: Load) -> Side:
    """Seconds to the last image; beside it gathers those to the first, and the processor's."""
    more: list[tuple[float, float]] = []

    def measure() -> float:
        before = server.seconds()
        answer = send(server.port, scan)
        time.sleep(SETTLE)
        more.append((answer.arrived[0], server.seconds() - before))
        return answer.arrived[-1]

    return measure, more


def _memory(case: Case, scan: Load) -> Iterator[Figure]:
    small = load(simulated("--matrix", "32", "--coils", "4"), case.chain)
    with ours() as server:
        send(server.port, small)
        time.sleep(REST)
        idle = server.memory()
        peaks = []
        for _ in range(2):
            with Watch(server) as watch:
                send(server.port, scan)
            peaks.append(watch.peak)
    yield Figure(
        name=f"{case.name}: idle base",
        value=idle,
        unit="MB",
        note="PSS of all server processes, after a small scan",
    )
    yield Figure(
        name=f"{case.name}: growth, first scan",
        value=peaks[0] - idle,
        unit="MB",
        limit=case.growth,
        note="half of Gadgetron's peak",
    )
    yield Figure(
        name=f"{case.name}: growth, second scan", value=peaks[1] - idle, unit="MB", limit=case.growth
    )
