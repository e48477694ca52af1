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
from functools import partial
from typing import Any

import zmq  # noqa: F401 - loaded once, before the forks; a context is made in none but the keepers

from server import paths
from server.access import Admission, admit, allowed, guard
from server.beside import Beside
from server.control.collect import Collector
from server.control.commands import Commands, send
from server.control.events import ERROR
from server.control.folder import runtime
from server.control.voice import Voice
from server.dicom.process import Office
from server.errors import AccessError, ControlError, ScansideError
from server.folders import install
from server.keeper import Keeper
from server.log import belong
from server.pseudonym import site_key
from server.secure import SecureSocket, secure
from server.settings import Settings
from server.spool.folder import Spool
from server.spool.recovery import recover
from server.spool.retention import Retention
from server.status import beside as status
from server.status.beside import Page
from server.templates import Templates
from server.tls import server_context
from server.wire import encode

log = logging.getLogger(__name__)


STOPPING = "the server is being stopped and takes no new scan"

TOLD = 2.0
"""Seconds that scans which outlive the grace have to tell their peers so."""

LAST = 5.0
"""Seconds that the last peers have, at the very end, to take the news that the server stops."""


@dataclass
class Listener:
    """The listening socket, the templates, and the keepers that live."""

    settings: Settings
    spool: Spool
    verbose: bool = False
    templates: Templates = field(init=False)
    collector: Beside[Collector] = field(init=False)
    office: Office = field(init=False)
    page: Beside[Page] | None = None
    """Health and metrics, if they are wanted."""

    keepers: dict[int, str] = field(default_factory=dict)
    """Processes with a connection each that may become a scan, and the sessions' names."""
    refusing: set[int] = field(default_factory=set)
    """Processes that tell a peer that came too late."""
    draining: bool = False
    _told: float = 0.0

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
        self._http = status.bound(self.settings) if self.settings.http else None
        self.templates = Templates(self.verbose, self.settings.log)
        self.templates.begin()
        self.place = runtime(self.port)
        self.collector = Beside("the collector", lambda: Collector(self.place))
        self.office = Office(paths.outbox(), self.settings.archives)
        if self._http is not None:
            page = partial(Page, self.place, self._http, status.rules(self.settings))
            self.page = Beside("health and metrics", page)
        self._commands = Commands(self.place, "server")
        self._begun = time.time()

    def serve(self) -> None:
        """Accept until told to drain, then wait for the running scans, up to the grace that is set.

        Who comes meanwhile is told so, to the last one that waits to be accepted.
        """
        while not self.draining:
            self._turn()
        self._tell()
        until = time.monotonic() + self.settings.grace
        while self.keepers and time.monotonic() < until:
            self._turn()
        self._overdue()
        while self._accept():
            pass
        self._socket.close()
        self._dismiss()
        self._commands.close()
        self.collector.it.stop()
        self.office.stop()
        if self.page:
            self.page.it.stop()

    def drain(self) -> None:
        """Take no more scans."""
        self.draining = True

    def reload(self) -> None:
        """Have the next scans done with chains and plug-ins as they are now."""
        self.templates.reload()

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        own = [self._socket.fileno(), self._waking, self._commands.fileno()]
        ready, _, _ = select.select([*own, *self.templates.sources], [], [], self.templates.patience)
        self._awake()
        self._heed()
        self._reap()
        self.templates.heed(ready)
        if self._socket.fileno() in ready:
            self._accept()

    def _heed(self) -> None:
        """Take commands, and say now and then that the server lives."""
        if any(each.get("do") == "drain" for each in self._commands.take()):
            self.drain()
        if time.monotonic() - self._told > 2.0:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        limits = {"sessions": self.settings.sessions, "memory": self.settings.memory}
        self.collector.it.say(
            "server",
            **({"http": status.named(self._http)} if self._http else {}),
            pid=os.getpid(),
            port=self.port,
            since=self._begun,
            draining=self.draining,
            ready=self.templates.ready and not self.draining,
            fault=self.templates.fault[:ERROR],
            limits=limits,
        )

    def _awake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._waking, 4096)

    def _accept(self) -> bool:
        """Take one connection; False when none waits."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        except OSError as error:
            log.warning("no connection can be accepted: %s", error)
            time.sleep(0.1)
            return False
        with connection:
            self._admit(connection)
        return True

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = f"s-{next(self._numbers)}"
        try:
            pid = os.fork()
        except OSError as error:
            log.warning("%s: no keeper can be made: %s", name, error)
            return
        if pid and self.draining:
            self.refusing.add(pid)
        elif pid:
            self.keepers[pid] = name
        if pid:
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._socket.close()
        if self._http:
            self._http.close()
        self.templates.queue.only_ask()
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
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            self.templates.died(pid, how)
            for each in self._beside():
                each.died(pid, how)
            self.office.died(pid, how)
            self.keepers.pop(pid, None)
            self.refusing.discard(pid)
        self.office.look()
        for each in self._beside():
            each.heed()

    def _beside(self) -> list[Beside[Collector] | Beside[Page]]:
        return [self.collector, *([self.page] if self.page else [])]

    def _overdue(self) -> None:
        """End the scans that still run: their peers are told, then their keepers are killed."""
        for name in self.keepers.values():
            log.error("%s was not ready %g s after the server was told to stop", name, self.settings.grace)
            with contextlib.suppress(ControlError):
                send(self.place, name, "stop")
        until = time.monotonic() + TOLD
        while self.keepers and time.monotonic() < until:
            self._turn()
        for pid in self.keepers:
            os.kill(pid, signal.SIGKILL)

    def _dismiss(self) -> None:
        """Let those who tell the last peers finish."""
        until = time.monotonic() + LAST
        while (self.refusing or self.keepers) and time.monotonic() < until:
            select.select([self._waking], [], [], 0.1)
            self._awake()
            self._reap()


def _keep(listener: Listener, connection: socket.socket, name: str, *, busy: bool) -> None:
    """A keeper's life, in the fork."""
    settings = listener.settings
    belong(name)
    try:
        outcome = _outcome(listener, connection, name, busy=busy)
        level = logging.WARNING if outcome["error"] else logging.INFO
        log.log(level, "%s: %s", name, outcome, extra={"outcome": outcome})
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
        if listener.draining:
            raise AccessError(STOPPING)
        entry = listener.spool.open(connection.getpeername()[0])
    except (ScansideError, OSError) as error:
        voice = Voice(listener.place, name)
        kind = "access" if isinstance(error, AccessError) else "spool"
        voice.say("outcome", state="refused", error=str(error), kind=kind)
        if settings.tls_cert is None or isinstance(peer, SecureSocket):
            _refuse(peer, str(error))
        voice.close()
        return {"state": "refused", "error": str(error)}
    threads = settings.threads or max(1, (os.cpu_count() or 1) // (len(listener.keepers) + 1))
    reason = f"the server is busy with {settings.sessions} scans, its limit; this one is only received"
    return Keeper(
        peer,
        settings,
        listener.templates.queue,
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
        until, waste = time.monotonic() + LAST, bytearray(1 << 16)
        while connection.recv_into(waste) and time.monotonic() < until:
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
