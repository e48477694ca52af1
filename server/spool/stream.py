"""The bytes of an entry, read again: as they came, as messages, or with another beginning."""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.errors import ProtocolError
from server.wire.buffer import Buffer
from server.wire.extent import extent
from server.wire.follow import SETTLED, Follower
from server.wire.kinds import Limits
from server.wire.messages import Message

PIECE = 1 << 20
"""How many bytes are read at once."""


@dataclass(frozen=True)
class Spooled:
    """A spooled scan."""

    path: Path
    """The stream's file."""

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start`` on, as they were received."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece

    def messages(self) -> Iterator[Message]:
        """The complete messages.

        Raises ProtocolError where the stream cannot be followed.
        """
        with self.path.open("rb", buffering=0) as file:
            yield from Buffer().messages(lambda view: file.readinto(view) or 0)

    def prologue(self) -> Iterator[tuple[int, bytes]]:
        """Kind and bytes of each message before the first data, as far as the stream can be followed."""
        rest = bytearray()
        limits = Limits()
        with suppress(ProtocolError):
            for piece in self.pieces():
                rest += piece
                while (size := extent(memoryview(rest), limits)) <= len(rest):
                    (kind,) = struct.unpack_from("<H", rest)
                    if kind in SETTLED:
                        return
                    yield kind, bytes(rest[:size])
                    del rest[:size]

    def edited(self, change: Callable[[int, bytes], bytes]) -> Iterator[bytes]:
        """The bytes, each message before the first data as ``change(kind, message)`` makes it."""
        start = 0
        for kind, message in self.prologue():
            start += len(message)
            yield change(kind, message)
        yield from self.pieces(start)

    def extent(self) -> "Extent":
        """How far the stream consists of complete messages."""
        follower, kind, fault = Follower(), 0, ""
        try:
            for piece in self.pieces():
                for mark in follower.feed(memoryview(piece)):
                    kind = mark.kind
        except ProtocolError as error:
            fault = str(error)
        return Extent(self.path.stat().st_size, follower.complete, kind, fault)


@dataclass(frozen=True)
class Extent:
    """How far a stream goes."""

    size: int
    complete: int
    """Bytes up to the end of the last complete message."""

    last: int
    """Kind of the last complete message; 0 when there is none."""

    fault: str
    """Why the stream cannot be followed further; empty when it ended, in a message or behind one."""
