"""``/livez``, ``/readyz`` and ``/metrics``: read only, bounded, and nothing of a patient in them."""

import contextlib
import ipaddress
import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from server.control.ask import snapshot
from server.errors import ControlError
from server.status.health import dead, unready
from server.status.metrics import metrics
from server.status.spooled import Spooled

log = logging.getLogger(__name__)

PATIENCE = 0.8
"""Seconds that the collector has to answer: probes give up after one."""

SLOW = 5.0
"""Seconds that a client may take for its request."""

AT_ONCE = 16
"""Requests that are answered at the same time; more are closed."""

PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What of the settings counts here."""

    spool: str = ""
    """The spool's folder; empty when nothing is kept."""

    room: int = 0
    refuses: bool = False
    allow: tuple[str, ...] = ()
    """Networks that may ask; none: everyone who reaches the address."""

    traces: str = ""
    """Where traces go; empty: nowhere."""

    def permits(self, address: str) -> bool:
        """Whether a client may ask."""
        found = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(found, "ipv4_mapped", None) or found
        return not self.allow or any(mapped in ipaddress.ip_network(each) for each in self.allow)


class Figures(Collector):
    """The metrics of one snapshot, for the library's encoder."""

    def __init__(self, found: Mapping[str, Any], spool: Spooled) -> None:
        self._found, self._spool = found, spool

    def collect(self) -> Any:  # noqa: ANN401 - an iterable of the library's
        """Every metric."""
        return metrics(self._found, self._spool)


class Status(ThreadingHTTPServer):
    """Answers on a socket that the listener has bound, until that is gone."""

    daemon_threads = True

    def __init__(self, folder: Path, bound: socket.socket, rules: Rules, parent: int) -> None:
        super().__init__(bound.getsockname()[:2], Answer, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.folder, self.rules, self._parent = folder, rules, parent
        self.spool = Spooled(Path(rules.spool) if rules.spool else None, rules.room, rules.refuses)
        self._room = threading.Semaphore(AT_ONCE)

    def snapshot(self) -> dict[str, Any] | None:
        """The server as the collector knows it; None when that does not answer."""
        try:
            return snapshot(self.folder, PATIENCE)
        except ControlError:
            return None

    def service_actions(self) -> None:
        """Leave when the listener has."""
        if os.getppid() != self._parent:
            os._exit(0)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401 - socketserver's
        """Whether the client may ask."""
        return self.rules.permits(client_address[0])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer in a thread, if there is room for one more."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._room.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer one request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that went away is no event; anything else is a bug of ours."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log.error("a request for health or metrics failed", exc_info=error)


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Status
    timeout = SLOW
    server_version, sys_version = "scanside", ""

    def setup(self) -> None:
        """Begin; a client that takes too long in all is cut off."""
        super().setup()
        self._late = threading.Timer(SLOW, _cut, (self.connection,))
        self._late.daemon = True
        self._late.start()

    def finish(self) -> None:
        """End."""
        self._late.cancel()
        super().finish()

    def do_GET(self) -> None:
        """Health or metrics."""
        match self.path.partition("?")[0]:
            case "/livez":
                self._health(dead(self.server.snapshot()))
            case "/readyz":
                self._health(unready(self.server.snapshot(), self.server.spool.full()))
            case "/metrics":
                self._metrics()
            case _:
                self._say(404, "known are /livez, /readyz and /metrics\n")

    do_HEAD = do_GET

    def _health(self, reasons: list[str]) -> None:
        self._say(503 if reasons else 200, "".join(f"{each}\n" for each in reasons) or "ok\n")

    def _metrics(self) -> None:
        found = self.server.snapshot()
        if found is None:
            self._say(503, "the collector does not answer\n")
            return
        registry = CollectorRegistry()
        registry.register(Figures(found, self.server.spool))
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        self._say(200, encode(registry), kind)

    def _say(self, status: int, body: str | bytes, kind: str = PLAIN) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the library's name
        """Probes come every few seconds: they are no events."""


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def serve(folder: Path, bound: socket.socket, rules: Rules, parent: int) -> None:
    """Answer on the socket until the process ``parent`` is gone."""
    made = Status(folder, bound, rules, parent)
    if rules.traces:
        from server.status.traces import Traces

        Traces(rules.traces).begin(made.snapshot)
    made.serve_forever(poll_interval=0.5)
