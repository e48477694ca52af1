"""Accepts scanners and supervises their sessions; drains on SIGTERM."""

import ipaddress
import itertools
import logging
import signal
import socket
import threading
from types import FrameType

from server import paths
from server.errors import ScansideError
from server.keeper import Keeper
from server.settings import Settings, SettingsError
from server.wire import encode

log = logging.getLogger(__name__)


class Listener:
    """The listening socket and the sessions that came through it."""

    def __init__(self, settings: Settings) -> None:
        _guard(settings)
        self._settings = settings
        self._sessions: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._draining = False
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._socket = socket.create_server((settings.host, settings.port), family=family, backlog=64)
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Accept until ``drain``, then wait for the running sessions."""
        while not self._draining:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                break
            self._admit(connection, f"session {next(self._numbers)}")
        for session in list(self._sessions):
            session.join()

    def drain(self) -> None:
        """Accept no more; running sessions go on to their end."""
        self._draining = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        finally:
            self._socket.close()

    def _admit(self, connection: socket.socket, name: str) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self._settings.idle)
        if len(self._sessions) >= self._settings.sessions:
            reason = f"the server is busy with {self._settings.sessions} scans, its limit"
            threading.Thread(target=_refuse, args=(connection, reason), daemon=True).start()
            return
        thread = threading.Thread(target=self._session, args=(connection, name), name=name, daemon=True)
        with self._lock:
            self._sessions.add(thread)
        thread.start()

    def _session(self, connection: socket.socket, name: str) -> None:
        try:
            outcome = Keeper(connection, self._settings, name).serve()
            log.info(
                "%s: %d images; received %s; dropped %s",
                name,
                outcome.images,
                dict(outcome.received),
                dict(outcome.dropped),
            )
            if isinstance(outcome.error, ScansideError):
                log.warning("%s: %s", name, outcome.error)
            elif outcome.error is not None:
                log.error("%s failed", name, exc_info=outcome.error)
        finally:
            connection.close()
            with self._lock:
                self._sessions.discard(threading.current_thread())


def _refuse(connection: socket.socket, reason: str) -> None:
    """Tell the reason and close."""
    with connection:
        try:
            connection.settimeout(5)
            connection.sendall(encode.text(reason, level="error") + encode.close())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        except OSError:
            return


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


def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT."""
    paths.one_parent()
    _prepare(settings)
    listener = Listener(settings)

    def stop(number: int, frame: FrameType | None) -> None:
        listener.drain()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"scanside listens on {settings.host}:{listener.port}", flush=True)  # noqa: T201 - the line that says ready
    listener.serve()


def _prepare(settings: Settings) -> None:
    """Load what every session needs, before the first one comes."""
    import torch

    from server.registry import warm

    if settings.threads:
        torch.set_num_threads(settings.threads)
    warm()
