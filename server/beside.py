"""A process that works beside the listener, and is started again when it ends: at once, then ever later."""

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from server.backoff import Backoff

log = logging.getLogger(__name__)


class Started(Protocol):
    """Something that is a process of its own."""

    process: subprocess.Popen[bytes]


Kind = TypeVar("Kind", bound=Started)


@dataclass
class Beside(Generic[Kind]):
    """``it`` is the one that runs, or ran last."""

    what: str
    make: Callable[[], Kind]
    it: Kind = field(init=False)
    _backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        """Start it; raises OSError when that fails, for then the server does not begin."""
        self._backoff.began()
        self.it = self.make()

    def died(self, pid: int, status: int) -> None:
        """A process ended; it may have been this one."""
        if pid == self.it.process.pid:
            wait = self._backoff.ended()
            log.error("%s ended with status %d; it is started again in %g s", self.what, status, wait)

    def heed(self) -> None:
        """Start it again when it is time."""
        if not self._backoff.due:
            return
        self._backoff.began()
        try:
            self.it = self.make()
        except OSError as error:
            self._backoff.ended()
            log.warning("%s cannot be started: %s", self.what, error)
