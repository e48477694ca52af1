"""The worker as its keeper has it: made once, heard to its outcome or its death, ended at its limits."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from server.asking import Fate, Queue, told
from server.link import Frame, Link, Orders, Say
from server.settings import Settings

PERIOD = 0.2
"""Seconds between two looks at the limits."""

TRIES = 3
"""Templates that may die with a request in their hands before the scan is given up."""

UNMADE = "the server cannot load its gadgets, so that the scan is not reconstructed; it is only received"


class Hand:
    """One worker. ``heard`` gets its frames, ``gone`` why it died and what kind of error that is.

    ``look`` is called now and then.
    """

    def __init__(
        self,
        settings: Settings,
        heard: Callable[[Frame], None],
        gone: Callable[[str, str], None],
        look: Callable[[], None],
    ) -> None:
        self._settings, self._heard, self._gone, self._look = settings, heard, gone, look
        ours, theirs = socket.socketpair()
        self._link, self._theirs = Link(ours), theirs
        self._status = -1
        self._begun = time.monotonic()
        self._scan_over: float | None = None
        self._reason, self._limit = "", ""
        """Why the worker is ended, and the kind of that limit."""
        self._left = threading.Event()
        self._ask: Callable[[], int] = lambda: -1
        self.pid = 0
        """The worker's process, once it is known."""

    @property
    def made(self) -> bool:
        """Whether a worker was asked for."""
        return self._status >= 0

    def make(self, queue: Queue, orders: Orders, ring: int, spool: int | None) -> None:
        """Have the worker made; until there is a template to make it, the scan waits in ring and spool.

        Raises OSError when there will be none.
        """
        self._ask = lambda: queue.ask(orders, self._theirs, ring, spool)
        self._status = self._ask()
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def say(self, kind: Say, number: int = 0, payload: bytes = b"") -> bool:
        """Tell the worker something; False when it is gone (its listener will say why)."""
        try:
            self._link.say(kind, number, payload)
        except OSError:
            return False
        return True

    def scan_is_over(self) -> None:
        """From now on the time counts that the reconstruction may take behind the scan."""
        self._scan_over = time.monotonic()

    def leave(self) -> None:
        """The outcome stands; the worker need not be watched any more."""
        self._left.set()

    def wait(self) -> None:
        """Wait until the outcome stands."""
        self._left.wait()

    def _listen(self) -> None:
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        self.pid = self._born()
        self._theirs.close()
        if not self.pid:
            self._gone(UNMADE, "gadgets")
            return
        for frame in self._link.frames():
            self._heard(frame)
            if frame.kind is Say.OUTCOME:
                return
        self._gone(*((self._reason, self._limit) if self._reason else (self._death(), "death")))

    def _born(self) -> int:
        """The worker's process; 0 when there will be none."""
        for _ in range(TRIES):
            fate = told(self._status)
            if fate is not None:
                return fate[1] if fate[0] is Fate.BORN else 0
            os.close(self._status)
            try:
                self._status = self._ask()
            except OSError:
                break
        return 0

    def _death(self) -> str:
        """Why the worker is gone, as the template saw it."""
        fate = told(self._status)
        if fate is None:
            return "the worker is gone, and so is the template that made it"
        code = os.waitstatus_to_exitcode(fate[1])
        if code < 0:
            return f"the reconstruction died: its process was ended by {signal.Signals(-code).name}"
        return f"the reconstruction died: its process left with exit code {code}"

    def _watch(self) -> None:
        while not self._left.wait(PERIOD):
            self._look()
            self._reason = self._beyond()
            if self._reason and not self.pid:
                self._gone(self._reason, self._limit)
            elif self._reason:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            if self._reason:
                return

    def _beyond(self) -> str:
        """Which limit the worker has passed, or the wait for one; empty when none."""
        settings, now = self._settings, time.monotonic()
        self._limit = "memory"
        if settings.memory and _resident(self.pid) > settings.memory:
            return f"the reconstruction passed its memory limit of {settings.memory >> 20} MiB and was ended"
        self._limit = "limit"
        if now - self._begun > settings.wall:
            return f"the reconstruction passed its time limit of {settings.wall:g} s and was ended"
        if self._scan_over and now - self._scan_over > settings.finish:
            return f"the reconstruction was not ready {settings.finish:g} s after the scan and was ended"
        return ""


def _resident(pid: int) -> int:
    """Memory of a process that is its own [bytes]; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 - hot, and no path
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
