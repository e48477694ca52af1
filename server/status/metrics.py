"""The server's figures as Prometheus metrics.

Labels are states, kinds, installed chains and gadgets: few, and none a word of a peer's.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server import __version__, paths
from server.control.events import KINDS, STATES
from server.status.spooled import Spooled
from server.status.waiting import STATES as STATES_OUT
from server.status.waiting import waiting

Rows: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""Values by the labels'."""

RUNNING = STATES[:3]


def metrics(snapshot: Mapping[str, Any], spool: Spooled) -> Iterator[Metric]:
    """Every metric, from the collector's snapshot and the spool."""
    yield from _server(snapshot["server"], snapshot["sessions"])
    yield from _sessions(snapshot["sessions"])
    yield from _totals(snapshot["totals"])
    if spool.folder is not None:
        yield from _spool(spool)
    yield from _outbox(*waiting(paths.outbox()))


def _server(server: Mapping[str, Any], sessions: list[Mapping[str, Any]]) -> Iterator[Metric]:
    yield _gauge("info", "The version that runs.", [((__version__,), 1)], "version")
    yield _gauge("ready", "1 while a scan would be reconstructed.", _one(bool(server["ready"])))
    yield _gauge("draining", "1 while the server is being stopped.", _one(bool(server["draining"])))
    yield _gauge("start_time_seconds", "When the server began, in Unix time.", _one(server["since"] or 0))
    yield _gauge("heard_seconds", "Age of the listener's last word.", _one(server["heard"] or 0))
    yield _gauge(
        "sessions_limit", "Scans at the same time, at most.", _one(server["limits"].get("sessions", 0))
    )
    pids = {
        "listener": [server["pid"]],
        "keepers": [each["keeper_pid"] for each in _running(sessions)],
        "workers": [each["worker_pid"] for each in _running(sessions)],
    }
    rows = [((name,), sum(_resident(pid) for pid in group if pid)) for name, group in pids.items()]
    yield _gauge("memory_bytes", "Resident memory, shared pages in each process.", rows, "process")


def _sessions(sessions: list[Mapping[str, Any]]) -> Iterator[Metric]:
    running = _running(sessions)
    states = Counter(each["state"] for each in running)
    yield _gauge("sessions", "Sessions now.", [((state,), states[state]) for state in RUNNING], "state")
    lag = max((each["lag"] for each in running), default=0)
    yield _gauge("lag_bytes", "Bytes that the slowest worker has not read yet.", _one(lag))
    queues: Counter[str] = Counter()
    for each in running:
        for gadget in each["gadgets"]:
            queues[gadget["name"]] += gadget["queue"]
    rows = [((name,), count) for name, count in sorted(queues.items())]
    yield _gauge("gadget_queue", "Items that wait for a gadget now.", rows, "gadget")


def _totals(totals: Mapping[str, Any]) -> Iterator[Metric]:
    ended = [((chain, state), count) for chain, state, count in totals["sessions"]]
    yield _counter("sessions", "Sessions that ended, by how.", ended, "chain", "state")
    yield _counter("session_seconds", "How long they took.", _by(totals["seconds"]), "chain")
    yield _counter("received_bytes", "Bytes received.", _one(totals["bytes"]))
    yield _counter("readouts", "Readouts received.", _one(totals["readouts"]))
    yield _counter("images", "Images sent.", _one(totals["images"]))
    errors = [((kind,), totals["errors"].get(kind, 0)) for kind in (*KINDS, "unknown")]
    yield _counter("errors", "Sessions that failed, by whose fault it was.", errors, "kind")
    yield _counter("gadget_seconds", "Time in a gadget's code.", _by(totals["gadget_seconds"]), "gadget")
    yield _counter("gadget_items", "Items that a gadget gave.", _by(totals["gadget_items"]), "gadget")


def _spool(spool: Spooled) -> Iterator[Metric]:
    entries, size = spool.count()
    rows = [((state,), count) for state, count in sorted(entries.items())]
    yield _gauge("spool_entries", "Scans in the spool, by how they ended.", rows, "state")
    yield _gauge("spool_bytes", "What they take.", _one(size))
    yield _gauge("spool_free_bytes", "What is free on the spool's disk.", _one(spool.free()))
    yield _gauge("spool_room_bytes", "Below so much no scan is spooled.", _one(spool.room))


def _outbox(counts: Mapping[str, int], oldest: float) -> Iterator[Metric]:
    rows = [((state,), counts[state]) for state in STATES_OUT]
    yield _gauge("outbox_objects", "Objects for archives, by what became of them.", rows, "state")
    yield _gauge("outbox_waits_seconds", "For how long the oldest waits since it was tried.", _one(oldest))


def _gauge(name: str, meaning: str, rows: Rows, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(f"scanside_{name}", meaning, labels=labels), rows)


def _counter(name: str, meaning: str, rows: Rows, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(f"scanside_{name}", meaning, labels=labels), rows)


def _filled(family: Any, rows: Rows) -> Metric:  # noqa: ANN401 - the library's families share no type
    for labels, value in rows:
        family.add_metric(list(labels), value)
    assert isinstance(family, Metric)
    return family


def _one(value: float) -> Rows:
    return [((), float(value))]


def _by(values: Mapping[str, float]) -> Rows:
    return [((name,), value) for name, value in sorted(values.items())]


def _running(sessions: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in sessions if each["state"] in RUNNING]


def _resident(pid: int) -> int:
    """Resident memory of a process [bytes]; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
