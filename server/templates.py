"""The templates as the listener has them: one serves, another may load beside it, what dies is replaced.

A template that cannot be loaded is started again ever later. After a few failures in a row requests for
workers are refused, so that scans are only received and spooled, until one loads again.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from server.asking import Queue
from server.backoff import Backoff
from server.log import Form

log = logging.getLogger(__name__)

LIMIT = 4
"""Failures in a row after which no scan waits any more."""

STATED = 2
"""The same when a template could say why it cannot be loaded: the next one will hardly do better."""

LOADING = 120.0
"""Seconds that a template may take to load."""

MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""How workers manage memory: what one block took the next one takes again, for a page that comes fresh from
the system has to be cleared first; images, and what is above 32 MiB, are given back. Kept, they made a
Fourier scan grow by 247 MB and not 202, at 1.76 processor seconds and not 2.18 (beside other work).

Buffers come in huge pages where the system has them on request: page by page their first touch took longer
than a Fourier transform of what they hold.
"""


@dataclass
class Template:
    """One template process."""

    pid: int
    said: int
    """Read end of a pipe on which it says once that it is loaded (``+``), or why it cannot be."""

    begun: float = field(default_factory=time.monotonic)
    loaded: bool = False
    reason: str = ""

    def hear(self) -> None:
        """Take what it says; its death says the rest."""
        text = os.read(self.said, 4096)
        os.close(self.said)
        self.said = -1
        self.loaded = text == b"+"
        self.reason = "" if self.loaded else text.decode(errors="replace")

    def over(self) -> None:
        """It is gone, or is told to go: what it has not said is not waited for."""
        if self.said >= 0:
            self.hear()

    def late(self) -> bool:
        """Whether it loads for too long."""
        return self.said >= 0 and time.monotonic() - self.begun > LOADING


@dataclass
class Templates:
    """Starts, replaces and gives up templates; ``heed`` is to be called now and then."""

    verbose: bool = False
    form: Form = "text"
    """How they write their log."""

    queue: Queue = field(default_factory=Queue)
    fault: str = ""
    """Why no worker can be made; empty while one can be, or could be soon."""

    _current: Template | None = None
    _coming: Template | None = None
    _backoff: Backoff = field(default_factory=Backoff)
    _reloads: bool = False

    def begin(self) -> None:
        """Start the first one."""
        self._current = self._start()

    @property
    def ready(self) -> bool:
        """Whether a worker would be made at once."""
        return self._current is not None and self._current.loaded

    @property
    def sources(self) -> list[int]:
        """What to wait for."""
        asked = [self.queue.answering.fileno()] if self.fault else []
        return [each.said for each in (self._current, self._coming) if each and each.said >= 0] + asked

    @property
    def patience(self) -> float:
        """Seconds after which to heed again at the latest."""
        return 0.1 if self._backoff.waits else 1.0

    def reload(self) -> None:
        """Have the next scans done with chains and plug-ins as they are now."""
        self._reloads = True

    def heed(self, ready: Collection[int]) -> None:
        """Take what templates have said, start what is due, and answer requests when none can be served."""
        for each in (self._current, self._coming):
            if each and each.said in ready:
                each.hear()
            elif each and each.late():
                log.error("a template was not loaded after %g s and is ended", LOADING)
                os.kill(each.pid, signal.SIGKILL)
        self._renew()
        if self._backoff.due and self._current is None:
            self._replace()
        if self.ready:
            self.fault = ""
        if self.fault:
            self.queue.refuse()

    def died(self, pid: int, status: int) -> None:
        """A process ended; it may have been a template."""
        if self._coming and pid == self._coming.pid:
            self._coming.over()
            log.error(
                "chains and plug-ins cannot be loaded again (%s); the scans go on with the old ones",
                _why(self._coming, status),
            )
            self._coming = None
        elif self._current and pid == self._current.pid:
            self._current.over()
            self._mourn(_why(self._current, status), STATED if self._current.reason else LIMIT)
            self._current = None

    def _replace(self) -> None:
        try:
            self._current = self._start()
        except OSError as error:
            self._mourn(str(error))

    def _mourn(self, why: str, limit: int = LIMIT) -> None:
        wait = self._backoff.ended()
        if self._backoff.failures >= limit:
            self.fault = f"gadgets cannot be loaded: {why}"
        doing = "scans are received and spooled only" if self.fault else "scans wait"
        log.error(
            "the template ended (%s; failure %d in a row): another is started in %g s, until then %s",
            *(why, self._backoff.failures, wait, doing),
        )

    def _renew(self) -> None:
        """Load a new template beside the old one, which leaves with its last scan once that is ready."""
        coming = self._coming
        if coming and coming.loaded:
            if self._current:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._current.pid, signal.SIGUSR1)
            self._current, self._coming = coming, None
        elif self._reloads and coming is None:
            self._reloads = False
            self._backoff.forgive()
            if self._current is not None:
                self._coming = self._start()

    def _start(self) -> Template:
        """A new template process; it loads while the server already accepts."""
        self._backoff.began()
        reading, writing = os.pipe()
        answering = self.queue.answering.fileno()
        command = [sys.executable, "-m", "server.template", str(answering), str(writing)]
        environment = MEMORY | os.environ | {"SCANSIDE_LOG": self.form}
        environment |= {"SCANSIDE_VERBOSE": "1"} if self.verbose else {}
        for file in (answering, writing):
            os.set_inheritable(file, True)
        try:
            process = os.posix_spawn(sys.executable, command, environment)
        finally:
            os.set_inheritable(answering, False)
            os.close(writing)
        return Template(process, reading)


def _why(template: Template, status: int) -> str:
    """Why it ended: what it said, else how."""
    if template.reason:
        return template.reason
    code = os.waitstatus_to_exitcode(status)
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
