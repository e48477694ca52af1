"""The process that empties the outbox, as its parent, the listener, sees it."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter

from server.backoff import Backoff
from server.dicom.destination import Archive
from server.settings import SettingsError

log = logging.getLogger(__name__)


class Office:
    """Runs while there are archives; when it dies it is started again, ever later."""

    def __init__(self, folder: Path, archives: Sequence[Archive]) -> None:
        self._folder, self._archives = folder, tuple(archives)
        self._again = Backoff()
        self._process: subprocess.Popen[bytes] | None = None
        if self._archives and find_spec("pynetdicom") is None:
            raise SettingsError("archives need the extra 'dicom': pip install 'scanside[dicom]'")
        if self._archives:
            self._start()

    @property
    def pid(self) -> int | None:
        """Of the process; None when there is none."""
        return self._process.pid if self._process else None

    def died(self, pid: int, status: int) -> None:
        """A child of the listener has ended: perhaps this one."""
        if pid == self.pid:
            wait = self._again.ended()
            log.error("the outbox's process ended with status %d; a new one starts in %g s", status, wait)

    def look(self) -> None:
        """Start it again when that is due."""
        if self._again.due:
            self._start()

    def stop(self, seconds: float = 8.0) -> None:
        """End it; what waits is sent when a server runs again."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._again.began()
        command = [sys.executable, "-m", "server.dicom", str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None
        said = TypeAdapter(tuple[Archive, ...]).dump_json(self._archives)
        self._process.stdin.write(said + b"\n")
        self._process.stdin.flush()
