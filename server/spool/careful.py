"""An entry that never stops the scan: when it can keep no more, that is said once, and reception goes on."""

from collections.abc import Callable

from server.spool.entry import Entry, Unspooled
from server.spool.room import SpoolError


class Careful:
    """Writes into an entry; ``warn`` is told once why bytes are not kept."""

    def __init__(self, entry: Entry | Unspooled, warn: Callable[[str], None]) -> None:
        self._entry, self._warn = entry, warn
        self._warned = False

    @property
    def lost(self) -> bool:
        """Whether bytes that should be kept are not."""
        return self._entry.lost

    def fileno(self) -> int:
        """The entry's file; negative when nothing is kept."""
        return self._entry.fileno()

    def write(self, view: memoryview) -> None:
        """Append bytes, as far as the disk takes them."""
        self._do(lambda: self._entry.write(view))

    def sync(self) -> None:
        """Bring what was written to the disk, where the mode says so."""
        self._do(self._entry.sync)

    def _do(self, step: Callable[[], None]) -> None:
        try:
            step()
        except SpoolError as error:
            self._say(str(error))
        if self._entry.lost:
            self._say(self._entry.fault)

    def _say(self, fault: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"the scan is not kept in the spool: {fault}")
