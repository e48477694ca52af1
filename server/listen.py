"""Accepts scanners and supervises: a keeper process for each connection, one template for the workers.

Nothing heavy is loaded here and there is one thread, so that a fork is sound.
"""

import contextlib
import itertools
import logging
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

import zmq  # noqa: F401 - loaded once, before the forks; a context is made in none but the keepers

from server import paths
from server.access import Admission, admit, allowed, guard
from server.control.collect import Collector
from server.control.commands import Commands
from server.control.folder import runtime
from server.control.voice import Voice
from server.errors import ScansideError
from server.folders import install
from server.keeper import Keeper
from server.pseudonym import site_key
from server.secure import SecureSocket, secure
from server.settings import Settings
from server.spool.folder import Spool
from server.spool.recovery import recover
from server.spool.retention import Retention
from server.template import Template, start
from server.tls import server_context
from server.wire import encode

log = logging.getLogger(__name__)


@dataclass
class Listener:
    """The listening socket, the template, and the keepers that live."""

    settings: Settings
    spool: Spool
    verbose: bool = False
    template: Template = field(init=False)
    collector: Collector = field(init=False)
    _told: float = 0.0
    keepers: set[int] = field(default_factory=set)
    draining: bool = False
    _reloads: bool = False
    _coming: Template | None = None

    def __post_init__(self) -> None:
        """Listen, then begin the template; the port accepts while it loads.

        Raises SettingsError for an address beyond loopback without leave, OSError for a port that is taken.
        """
        guard(self.settings)
        install(self.settings)
        self._context = server_context(self.settings)
        host = self.settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, self.settings.port), family=family, backlog=64)
        self._socket.setblocking(False)
        self._numbers = itertools.count(1)
        self._waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.port: int = self._socket.getsockname()[1]
        self.template = start(self.verbose)
        self.place = runtime(self.port)
        self.collector = Collector(self.place)
        self._commands = Commands(self.place, "server")
        self._begun = time.time()

    def serve(self) -> None:
        """Accept until told to drain, then wait for the running scans, up to the grace that is set."""
        while not self.draining:
            sources = [self._socket.fileno(), self._waking, self._commands.fileno()]
            sources += [self._coming.ready] if self._coming else []
            ready, _, _ = select.select(sources, [], [], 1.0)
            self._awake()
            self._heed()
            self._reap()
            self._renew(ready)
            if self._socket.fileno() in ready and not self.draining:
                self._accept()
        self._socket.close()
        self._tell()
        self._drain()
        self._commands.close()
        self.collector.stop()

    def drain(self) -> None:
        """Accept no more."""
        self.draining = True

    def reload(self) -> None:
        """Have the next scans done with chains and plug-ins as they are now."""
        self._reloads = True

    def _renew(self, ready: list[int]) -> None:
        """Load a new template beside the old one, which leaves with its last scan once that is ready."""
        if self._coming and self._coming.ready in ready:
            coming, self._coming = self._coming, None
            if coming.loaded():
                self.template.leave()
                self.template = coming
            else:
                coming.leave()
                log.error("chains and plug-ins cannot be loaded again; the scans go on with the old ones")
        elif self._reloads and not self._coming:
            self._reloads = False
            self._coming = start(self.verbose)

    def _heed(self) -> None:
        """Take commands, and say now and then that the server lives."""
        if any(each.get("do") == "drain" for each in self._commands.take()):
            self.drain()
        if time.monotonic() - self._told > 2.0:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        limits = {"sessions": self.settings.sessions, "memory": self.settings.memory}
        self.collector.say(
            "server",
            pid=os.getpid(),
            port=self.port,
            since=self._begun,
            draining=self.draining,
            limits=limits,
        )

    def _awake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._waking, 4096)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = self._socket.accept()
            with connection:
                self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = f"s-{next(self._numbers)}"
        pid = os.fork()
        if pid:
            self.keepers.add(pid)
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._socket.close()
        _keep(self, connection, name, busy=len(self.keepers) >= self.settings.sessions)

    def secured(self, connection: socket.socket) -> tuple[socket.socket | SecureSocket, Admission]:
        """The connection, under TLS where that is on, and what its peer may do.

        Raises AccessError when it may not connect.
        """
        address = connection.getpeername()[0]
        allowed(address, self.settings)
        if self._context is None:
            return connection, admit(address, self.settings)
        under = secure(connection, self._context)
        return under, admit(address, self.settings, under.getpeercert())

    def _reap(self) -> None:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == self.template.process:
                log.error("the template ended with status %d; a new one is started", status)
                self.template.leave()
                self.template = start(self.verbose)
            if pid == self.collector.process.pid and not self.draining:
                log.error("the collector ended; a new one is started")
                self.collector = Collector(self.place)
            self.keepers.discard(pid)

    def _drain(self) -> None:
        until = time.monotonic() + self.settings.grace
        while self.keepers and time.monotonic() < until:
            select.select([self._waking], [], [], 0.5)
            self._awake()
            self._reap()
        for pid in self.keepers:
            log.error("a scan was not ready %g s after the server was told to stop", self.settings.grace)
            os.kill(pid, signal.SIGKILL)


def _keep(listener: Listener, connection: socket.socket, name: str, *, busy: bool) -> None:
    """A keeper's life, in the fork."""
    settings = listener.settings
    try:
        outcome = _outcome(listener, connection, name, busy=busy)
        level = logging.WARNING if outcome["error"] else logging.INFO
        log.log(level, "%s: %s", name, outcome)
        _retain(settings)
    except BaseException:
        log.exception("%s: the keeper failed", name)
    finally:
        logging.shutdown()
        os._exit(0)


def _retain(settings: Settings) -> None:
    if settings.spool_mode != "none":
        rules = Retention(
            days=settings.spool_days, size=settings.spool_size, keep_failed=settings.spool_keep_failed
        )
        rules.apply(settings.spool)


def _outcome(listener: Listener, connection: socket.socket, name: str, *, busy: bool) -> dict[str, Any]:
    settings = listener.settings
    peer: socket.socket | SecureSocket = connection
    try:
        peer, admission = listener.secured(connection)
        entry = listener.spool.open(connection.getpeername()[0])
    except (ScansideError, OSError) as error:
        if settings.tls_cert is None or isinstance(peer, SecureSocket):
            _refuse(peer, str(error))
        return {"state": "refused", "error": str(error)}
    threads = settings.threads or max(1, (os.cpu_count() or 1) // (len(listener.keepers) + 1))
    reason = f"the server is busy with {settings.sessions} scans, its limit; this one is only received"
    return Keeper(
        peer,
        settings,
        listener.template,
        name,
        entry,
        threads=threads,
        busy=reason if busy else "",
        admission=admission,
        voice=Voice(listener.place, name),
    ).serve()


def _refuse(connection: socket.socket | SecureSocket, reason: str) -> None:
    """Tell the reason and close."""
    with contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.sendall(encode.text(reason, level="error") + encode.close())
        connection.shutdown(socket.SHUT_WR)
        waste = bytearray(1 << 16)
        while connection.recv_into(waste):
            pass


def _recover(settings: Settings) -> None:
    """Find what an earlier server left unfinished, in a process beside this one."""
    if settings.spool_mode == "none" or os.fork():
        return
    try:
        for record in recover(settings.spool, site_key()):
            log.warning("a scan of an earlier server is in the spool: %s", record)
    except BaseException:
        log.exception("the spool could not be searched")
    finally:
        logging.shutdown()
        os._exit(0)


def serve(settings: Settings, *, verbose: bool = False) -> None:
    """Run the server until SIGTERM or SIGINT; SIGHUP loads chains and plug-ins again."""
    paths.one_parent()
    spool = Spool(settings.spool, settings.spool_mode, settings.spool_full, room=settings.spool_room)
    listener = Listener(settings, spool, verbose)
    _recover(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: listener.drain())
    signal.signal(signal.SIGHUP, lambda *_: listener.reload())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print(f"scanside listens on {settings.host}:{listener.port}", flush=True)  # noqa: T201 - says ready
    listener.serve()
