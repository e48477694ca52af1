"""What keeper and worker say to one another: small frames over a socket pair.

The keeper tells how far the stream is complete and where its bytes lie, and how it ended; the worker tells
how far it has read, its replies for the peer, and its outcome.
"""

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = struct.Struct("<BQI")
"""Kind, number, length of the payload."""


class Say(enum.IntEnum):
    """Kinds of frames."""

    RING = 1
    """Keeper: the stream is complete up to ``number``, and lies in the ring."""
    FILE = 2
    """Keeper: the stream is complete up to ``number``, and lies in the spool."""
    CLOSE = 3
    """Keeper: the peer has said everything."""
    FAIL = 4
    """Keeper: nothing more can come; the payload says why."""
    READ = 5
    """Worker: the stream was read up to ``number``."""
    REPLY = 6
    """Worker: a whole message for the peer."""
    OUTCOME = 7
    """Worker: how it ended, as JSON; the last frame."""
    STATS = 8
    """Worker: progress, as JSON; may be lost."""
    PREVIEW = 9
    """Worker: a picture of an image, as JSON; may be lost."""
    VIEW = 10
    """Worker: a picture of what comes in, as JSON; may be lost."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a worker is told at its birth."""

    name: str = ""
    threads: int = 1
    memory: int = 0
    """Limit of its data [bytes]; 0: none."""

    nul: bool = False
    prefix: bool = False
    kinds: tuple[int, ...] = ()
    """The messages that the peer bears."""

    chains: tuple[str, ...] | None = None
    """The chains that the peer may name; None: every one."""

    config_text: bool = True
    """Whether the peer may write chains out."""

    expiry: float = 0.0
    """How long measurements for later scans are kept [s]."""

    archives: tuple[tuple[str, bool, bool, tuple[str, ...]], ...] = ()
    """Archives that get the images: name, whether it takes only what belongs to a patient, whether it gets
    objects without identity, and whose chains' (none: all)."""

    worklist: str = ""
    """Who knows what a header does not say, as JSON."""


@dataclass(frozen=True)
class Frame:
    """One thing said."""

    kind: Say
    number: int = 0
    payload: bytes = b""


class Link:
    """One end of the pair. Any thread may say; one thread listens."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()

    def say(self, kind: Say, number: int = 0, payload: bytes = b"") -> None:
        """Send a frame.

        Raises OSError when the other end is gone.
        """
        with self._lock:
            self._socket.sendall(HEAD.pack(kind, number, len(payload)))
            if payload:
                self._socket.sendall(payload)

    def frames(self) -> Iterator[Frame]:
        """What the other end says, to its end (or its death)."""
        while head := self._exactly(HEAD.size):
            kind, number, length = HEAD.unpack(head)
            payload = self._exactly(length) if length else b""
            if length and not payload:
                return
            yield Frame(Say(kind), number, payload)

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none at all at the end."""
        data = bytearray(size)
        view, have = memoryview(data), 0
        while have < size:
            try:
                count = self._socket.recv_into(view[have:])
            except OSError:
                return b""
            if not count:
                return b""
            have += count
        return bytes(data)

    def close(self) -> None:
        """End it; the other end's listener stops."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
