"""Each scan that has ended as a trace (OpenTelemetry): a span for the scan, and one in it for each gadget."""

import importlib.util
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from server import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

PERIOD = 2.0
"""Seconds between two looks at the sessions."""

WAITING = 512
"""Spans that wait for an endpoint that does not answer; more are dropped."""

FINAL = frozenset({"complete", "failed", "cut", "refused", "spooled", "lost"})


def lacking() -> str:
    """The package that is not installed, without which there are no traces; empty when all are."""
    for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if not found:
            return name
    return ""


class Traces:
    """Sends what the collector knows of ended sessions; nothing of a scan waits for it."""

    def __init__(self, url: str, since: float | None = None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = Resource({"service.name": "scanside", "service.version": __version__})
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        sender = BatchSpanProcessor(
            OTLPSpanExporter(endpoint=url, timeout=5), max_queue_size=WAITING, max_export_batch_size=64
        )
        self._provider.add_span_processor(sender)
        self._tracer: Tracer = self._provider.get_tracer("scanside")
        self._since = time.time() if since is None else since
        self._known: dict[str, None] = {}

    def begin(self, snapshot: Callable[[], Mapping[str, Any] | None]) -> None:
        """Look now and then, in a thread of its own."""
        threading.Thread(target=self._watch, args=(snapshot,), name="traces", daemon=True).start()

    def look(self, found: Mapping[str, Any]) -> None:
        """Send the sessions that have ended since the last look, each once."""
        sessions = {each["id"]: each for each in found["sessions"]}
        self._known = {name: None for name in self._known if name in sessions}
        for name, each in sessions.items():
            ended = (each["started"] or 0.0) + each["seconds"]
            if each["state"] in FINAL and name not in self._known and ended >= self._since:
                self._known[name] = None
                self._scan(each)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()

    def _watch(self, snapshot: Callable[[], Mapping[str, Any] | None]) -> None:
        while True:
            time.sleep(PERIOD)
            if found := snapshot():
                self.look(found)

    def _scan(self, session: Mapping[str, Any]) -> None:
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        begin = int(1e9 * session["started"])
        counts = {name: session[name] for name in ("readouts", "images", "bytes", "warnings")}
        facts = {
            "session": session["id"],
            "chain": session["chain"] or "",
            "state": session["state"],
            **counts,
        }
        span = self._tracer.start_span("scan", start_time=begin, attributes=_ours(facts))
        inside = set_span_in_context(span)
        for each in session["gadgets"]:
            items = _ours({"items": each["items"]})
            one = self._tracer.start_span(each["name"], inside, start_time=begin, attributes=items)
            one.end(begin + int(1e9 * each["seconds"]))
        if session["state"] != "complete":
            span.set_status(Status(StatusCode.ERROR, session["kind"] or session["state"]))
        span.end(begin + int(1e9 * session["seconds"]))


def _ours(facts: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    return {f"scanside.{name}": value for name, value in facts.items()}
