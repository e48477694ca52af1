"""The stream as the keeper holds it: bytes come in, are spooled, and lie where the worker can read them.

While the worker keeps up they lie in the ring. When it lags by more than the ring holds, and there is a
spool, reception goes on into the spool alone and the worker reads from there; without one the peer waits.
"""

import os
import threading
from collections.abc import Callable
from typing import Protocol

from server.errors import ProtocolError
from server.link import Say
from server.ring import Ring
from server.wire.follow import Follower, Mark
from server.wire.kinds import Limits

STEP = 2 << 20
"""Bytes that are received at a time, at most."""

BLOCK = 4 << 20
"""Bytes that are told to the worker at a time, unless something waits for them: the budget of a block."""

AHEAD = 64
"""How many things the worker may be told before it answers one; far fewer than a socket holds."""

ROOM = 1 << 16
"""With less than this free in the ring there is no room in it."""


class Log(Protocol):
    """Where every byte goes before it is used (an entry of the spool)."""

    def write(self, view: memoryview) -> None:
        """Append; the bytes are safe from the death of this process when it returns."""

    def fileno(self) -> int:
        """A file in which they stand at their offsets; negative when nothing is kept."""

    @property
    def lost(self) -> bool:
        """Whether bytes that should be kept are not."""


class Stream:
    """Receives, follows the messages, and says through ``tell`` how far they are complete, and where."""

    def __init__(self, ring: Ring, log: Log | None, tell: Callable[[Say, int], None], limits: Limits) -> None:
        self._ring, self._log, self._tell = ring, log, tell
        self._follower = Follower(limits)
        self._scratch = memoryview(bytearray(STEP))
        self._told = 0
        self._read = 0
        self._place = Say.RING
        self._free = threading.Condition(threading.RLock())
        self._asked = 0
        """How many of the things told the worker has not answered yet."""
        self._owed = False
        self.heard = True
        """Somebody will read the stream; when nobody does, it is received for the spool alone."""

    @property
    def ring(self) -> int:
        """The ring's memory file."""
        return self._ring.file

    @property
    def received(self) -> int:
        """Bytes so far."""
        return self._follower.received

    @property
    def pending(self) -> int:
        """Bytes behind the last whole message."""
        return self._follower.received - self._follower.complete

    @property
    def untold(self) -> int:
        """Bytes of whole messages that the worker does not know of yet."""
        return self._follower.complete - self._told

    @property
    def lag(self) -> int:
        """Bytes that the worker knows of and has not read."""
        return self._told - self._read

    def read(self, offset: int) -> None:
        """The worker has read so far."""
        with self._free:
            self._read = max(self._read, offset)
            self._asked -= 1
            owed, self._owed = self._owed, False
            self._free.notify_all()
        if owed:
            self.tell()

    def deafen(self) -> None:
        """Nobody reads any more; reception goes on."""
        with self._free:
            self.heard = False
            self._free.notify_all()

    def receive(self, receive: Callable[[memoryview], int]) -> tuple[int, list[Mark]]:
        """Take one piece; how many bytes it has (0: the peer's end), and what messages it completed.

        Raises ProtocolError where the stream cannot be followed, and whatever ``receive`` raises.
        """
        view = self._room()
        count = receive(view)
        if not count:
            return 0, []
        if self._log:
            self._log.write(view[:count])
        if self._place is Say.FILE and not self._kept():
            raise ProtocolError(
                "the spool is full, and the reconstruction lagged by more than the ring holds"
            )
        return count, self._follower.feed(view[:count])

    def _kept(self) -> bool:
        """Whether every byte so far stands in the log."""
        return self._log is not None and self._log.fileno() >= 0 and not self._log.lost

    def tell(self) -> None:
        """Let the worker know of all whole messages.

        A worker that answers nothing is told no more than it can hold unread; the rest it is told with its
        next answer. Telling must never wait, for reception does not.
        """
        with self._free:
            if not self.untold:
                return
            if self._asked >= AHEAD:
                self._owed = True
                return
            self._asked += 1
            self._told = self._follower.complete
            self._tell(self._place, self._told)

    def _room(self) -> memoryview:
        """Where the next bytes go."""
        if self._place is Say.FILE and self._caught_up():
            self._return()
        if self._place is Say.RING and not self._fits():
            self._make_room()
        if self._place is Say.FILE:
            return self._scratch
        start = self.received
        return self._ring.view(start, start + min(STEP, self._space()))

    def _space(self) -> int:
        """Bytes free in the ring; all of it when nobody reads."""
        held = self.received - (self._read if self.heard else self.received)
        return self._ring.size - held

    def _fits(self) -> bool:
        return self._space() >= ROOM

    def _make_room(self) -> None:
        """Go on in the spool, or wait for the worker."""
        if self._kept() and self.heard:
            self.tell()
            with self._free:
                self._place = Say.FILE
            return
        self.tell()
        with self._free:
            if self._read == self._told and not self.untold and self.heard:
                raise ProtocolError(
                    f"a message of more than {self._ring.size} bytes needs a spool, and it is off"
                )
            self._free.wait_for(lambda: self._fits() or not self.heard)

    def _caught_up(self) -> bool:
        return self._read == self._follower.complete and self.pending < self._ring.size - STEP

    def _return(self) -> None:
        """Back into the ring: the start of the message under way is fetched from the spool."""
        assert self._log is not None
        start, at = self._follower.complete, self._follower.complete
        while at < self.received:
            view = self._ring.view(at, min(self.received, start + self._ring.size))
            at += os.preadv(self._log.fileno(), [view], at)
        self._place = Say.RING
