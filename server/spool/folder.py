"""The spool: where entries begin, under the rules of the settings."""

from pathlib import Path

from server.pseudonym import site_key
from server.spool.entry import Entry, Mode, Policy, Unspooled
from server.spool.room import FULL, SpoolError, SpoolFull, free


class Spool:
    """A folder of entries. Any number of processes may write and read entries in it at once."""

    def __init__(
        self,
        folder: Path,
        mode: Mode = "buffered",
        policy: Policy = "refuse",
        *,
        room: int = 1 << 30,
        key: bytes | None = None,
    ) -> None:
        """``room``: below so many free bytes no entry begins; running ones use them up.

        ``key`` makes the pseudonyms, the site's when None. Raises SpoolError when others may read the folder.
        """
        self.folder, self.mode, self.policy, self.room = folder, mode, policy, room
        self._key = b""
        if mode != "none":
            own(folder)
            self._key = site_key() if key is None else key

    def open(self, peer: str) -> Entry | Unspooled:
        """A new entry.

        Nothing is kept in mode ``none``. Without room, the policy ``refuse`` raises SpoolFull, and
        ``continue`` gives an entry that keeps nothing and is ``lost`` from the start.
        """
        if self.mode == "none":
            return Unspooled()
        available = free(self.folder)
        if available < self.room:
            return self._without(
                f"the spool's disk has {available >> 20} MiB free, expected at least {self.room >> 20} MiB"
            )
        try:
            return Entry(self.folder, peer, self.mode, self.policy, self._key)
        except OSError as error:
            if error.errno in FULL:
                return self._without("the spool's disk is full")
            return self._without(f"the spool takes no new scan: {error.strerror}")

    def _without(self, fault: str) -> Unspooled:
        if self.policy == "refuse":
            raise SpoolFull(fault)
        return Unspooled(fault)


def own(folder: Path) -> None:
    """Make the folder, for us alone.

    Raises SpoolError when it exists and others may enter it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode & 0o777
    except OSError as error:
        raise SpoolError(f"spool folder {folder}: {error.strerror}") from None
    if mode & 0o077:
        raise SpoolError(f"spool folder {folder} has mode {mode:04o}, expected 0700: it holds patients' data")
