"""Real-time cine at the scanner's own pace: frames out each second, and each frame's latency."""

from collections.abc import Iterator
from statistics import quantiles

from benchmarks.figures import Figure
from benchmarks.latency import replay
from benchmarks.processes import ours
from benchmarks.scans import simulated
from server.files.scan import read_scan

FRAMES, RATE = 120, 30
LINES = 144
ACCELERATION = 4
SIZE = ("--matrix", f"192x{LINES}", "--coils", "16", "--repetitions", str(FRAMES))
PATTERN = ("--acceleration", str(ACCELERATION), "--calibration", "interleaved")
PACE = ("--repetition-time", f"{1000 * ACCELERATION / RATE / LINES:.5f}")


def run() -> Iterator[Figure]:
    """An interleaved R = 4 series through the server; the first frames wait until they fill k-space."""
    scan = read_scan(simulated(*SIZE, *PATTERN, *PACE))
    with ours() as server:
        replay(server.port, "realtime_cine", scan, real=False)
        sent, seen = replay(server.port, "realtime_cine", scan)
    frames = [key for key in sorted(sent) if key in seen]
    steady = frames[ACCELERATION:]
    waits = [1000 * (seen[key] - sent[key]) for key in steady]
    took = seen[steady[-1]] - seen[steady[0]]
    yield Figure(name="frames", value=len(frames), limit=FRAMES, sense="at least")
    yield Figure(
        name="frames out each second",
        value=(len(steady) - 1) / took,
        unit="1/s",
        limit=0.99 * RATE,
        sense="at least",
        note=f"{RATE} are sent",
    )
    percentiles = quantiles(waits, n=100)
    yield Figure(name="latency, median", value=percentiles[49], unit="ms")
    yield Figure(name="latency, 99 %", value=percentiles[98], unit="ms")
    first = 1000 * (seen[frames[0]] - sent[frames[0]])
    yield Figure(name="first frame", value=first, unit="ms", note=f"waits for {ACCELERATION - 1} frames more")
