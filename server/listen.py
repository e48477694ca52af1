"""Accepts scanners and supervises: a keeper process for each connection, one template for the workers.

Nothing heavy is loaded here and there is one thread, so that a fork is sound.
"""

import contextlib
import ipaddress
import itertools
import logging
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from server import paths
from server.keeper import Keeper
from server.pseudonym import site_key
from server.settings import Settings, SettingsError
from server.spool.folder import Spool
from server.spool.recovery import recover
from server.spool.retention import Retention
from server.spool.room import SpoolError
from server.template import Template, start
from server.wire import encode

log = logging.getLogger(__name__)


@dataclass
class Listener:
    """The listening socket, the template, and the keepers that live."""

    settings: Settings
    spool: Spool
    verbose: bool = False
    template: Template = field(init=False)
    keepers: set[int] = field(default_factory=set)
    draining: bool = False

    def __post_init__(self) -> None:
        """Listen, then begin the template; the port accepts while it loads.

        Raises SettingsError for an address beyond loopback without leave, OSError for a port that is taken.
        """
        _guard(self.settings)
        host = self.settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, self.settings.port), family=family, backlog=64)
        self._socket.setblocking(False)
        self._numbers = itertools.count(1)
        self._waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.port: int = self._socket.getsockname()[1]
        self.template = start(self.verbose)

    def serve(self) -> None:
        """Accept until told to drain, then wait for the running scans, up to the grace that is set."""
        while not self.draining:
            ready, _, _ = select.select([self._socket.fileno(), self._waking], [], [], 1.0)
            self._awake()
            if self._socket.fileno() in ready and not self.draining:
                self._accept()
            self._reap()
        self._socket.close()
        self._drain()

    def drain(self) -> None:
        """Accept no more."""
        self.draining = True

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
        name = f"session {next(self._numbers)}"
        pid = os.fork()
        if pid:
            self.keepers.add(pid)
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._socket.close()
        _keep(self, connection, name, busy=len(self.keepers) >= self.settings.sessions)

    def _reap(self) -> None:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == self.template.process:
                log.error("the template ended with status %d; a new one is started", status)
                self.template = start(self.verbose)
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
    try:
        entry = listener.spool.open(connection.getpeername()[0])
    except (SpoolError, OSError) as error:
        _refuse(connection, str(error))
        return {"state": "refused", "error": str(error)}
    threads = settings.threads or max(1, (os.cpu_count() or 1) // (len(listener.keepers) + 1))
    reason = f"the server is busy with {settings.sessions} scans, its limit; this one is only received"
    return Keeper(
        connection, settings, listener.template, name, entry, threads=threads, busy=reason if busy else ""
    ).serve()


def _refuse(connection: socket.socket, reason: str) -> None:
    """Tell the reason and close."""
    with contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.sendall(encode.text(reason, level="error") + encode.close())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
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


def _guard(settings: Settings) -> None:
    """Refuse to listen beyond loopback unless told that it may."""
    try:
        loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        loopback = settings.host == "localhost"
    if not loopback and not settings.insecure:
        raise SettingsError(
            f"listening on {settings.host} lets anyone there connect: give --insecure to allow it"
        )


def serve(settings: Settings, *, verbose: bool = False) -> None:
    """Run the server until SIGTERM or SIGINT."""
    paths.one_parent()
    spool = Spool(settings.spool, settings.spool_mode, settings.spool_full, room=settings.spool_room)
    listener = Listener(settings, spool, verbose)
    _recover(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: listener.drain())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print(f"scanside listens on {settings.host}:{listener.port}", flush=True)  # noqa: T201 - says ready
    listener.serve()
