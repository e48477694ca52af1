"""Where messages end: all that the process which keeps a connection has to know of a stream.

The bytes pass by in pieces of any size and are not kept, but for the start of a message whose length is not
known yet, and the few messages that the keeper itself must understand.
"""

import struct
from dataclasses import dataclass

import numpy as np

from gadgets.head import COMPRESSED, IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD
from server.wire.extent import extent
from server.wire.kinds import Kind, Limits
from server.wire.readouts import CUT_AFTER, run

SETTLED = {
    Kind.ACQUISITION: 2 + READOUT_HEAD.itemsize,
    Kind.IMAGE: 2 + IMAGE_HEAD.itemsize + 8,
    Kind.WAVEFORM: 2 + WAVEFORM_HEAD.itemsize,
}
"""From so many bytes on the length of such a message is known: its payload need not be kept."""


@dataclass(frozen=True)
class Mark:
    """One message, or a run of equal readouts."""

    kind: int
    start: int
    stop: int
    """Offsets in the stream."""

    message: bytes = b""
    """All of it, id included; empty for those whose payload is not kept."""

    last: bool = False
    """A readout with a LAST flag is among them: what it triggers must not wait."""


class Follower:
    """Follows a stream from message to message. ``complete`` is the offset behind the last whole one."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.received = 0
        self.complete = 0
        self._carry = bytearray()
        self._end = 0
        """Where the message under way ends, when that is known; else at most ``complete``."""

    def feed(self, view: memoryview) -> list[Mark]:
        """The messages that these bytes complete.

        Raises ProtocolError where the stream cannot be followed.
        """
        base = self.received
        self.received += len(view)
        marks: list[Mark] = []
        at = self.complete - base if not self._carry and self._end <= self.complete else 0
        while (step := self._step(view, at, base, marks)) is not None:
            at = step
        return marks

    def _step(self, view: memoryview, at: int, base: int, marks: list[Mark]) -> int | None:
        """Take one message, or one run of readouts, at ``view[at:]``; None when it is not all there."""
        if self._end > self.complete:
            return self._skip(base, marks)
        if self._carry:
            return self._resume(view, at, base, marks)
        rest = view[at:]
        need = extent(rest, self._limits)
        if need > len(rest):
            self._begin(rest, need)
            return None
        (kind,) = struct.unpack_from("<H", rest)
        size, last = _run(rest) if kind == Kind.ACQUISITION else (need, False)
        self._mark(marks, kind, size, b"" if kind in SETTLED else bytes(rest[:size]), last)
        return at + size

    def _begin(self, rest: memoryview, need: int) -> None:
        """Remember the start of a message that goes on in the next piece."""
        if _settled(rest):
            (kind,) = struct.unpack_from("<H", rest)
            self._carry += rest[: SETTLED[kind]]
            self._end = self.complete + need
        else:
            self._carry += rest

    def _skip(self, base: int, marks: list[Mark]) -> int | None:
        if self._end > self.received:
            return None
        (kind,) = struct.unpack_from("<H", self._carry)
        last = kind == Kind.ACQUISITION and _last(memoryview(self._carry))
        self._carry = bytearray()
        self._mark(marks, kind, self._end - self.complete, b"", last)
        return self.complete - base

    def _resume(self, view: memoryview, at: int, base: int, marks: list[Mark]) -> int | None:
        """Add what is needed to a message whose start was carried over."""
        while (need := extent(memoryview(self._carry), self._limits)) > len(self._carry):
            if _settled(memoryview(self._carry)):
                self._end = self.complete + need
                return self._skip(base, marks)
            more = view[at : at + need - len(self._carry)]
            if not more:
                return None
            self._carry += more
            at += len(more)
        (kind,) = struct.unpack_from("<H", self._carry)
        message = b"" if kind in SETTLED else bytes(self._carry)
        size = len(self._carry)
        self._carry = bytearray()
        self._mark(marks, kind, size, message, kind == Kind.ACQUISITION)
        return at

    def _mark(self, marks: list[Mark], kind: int, size: int, message: bytes, last: bool) -> None:
        marks.append(Mark(kind, self.complete, self.complete + size, message, last))
        self.complete += size


def _settled(view: memoryview) -> bool:
    """Whether the bytes so far tell the length of the message."""
    if len(view) < 2:
        return False
    (kind,) = struct.unpack_from("<H", view)
    enough = SETTLED.get(kind)
    if enough is None or len(view) < enough:
        return False
    return kind != Kind.ACQUISITION or not _compressed(view)


def _compressed(view: memoryview) -> bool:
    return bool(int(np.frombuffer(view, READOUT_HEAD, count=1, offset=2)[0]["flags"]) & COMPRESSED)


def _last(view: memoryview) -> bool:
    return bool(np.frombuffer(view, READOUT_HEAD, count=1, offset=2)["flags"][0] & CUT_AFTER)


def _run(rest: memoryview) -> tuple[int, bool]:
    """Bytes of the run of readouts at the start of ``rest``, and whether a LAST flag is among them."""
    if _compressed(rest):
        return extent(rest, Limits()), True
    records, size = run(rest)
    return size, bool((records["head"]["flags"] & CUT_AFTER).any())
