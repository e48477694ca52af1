"""The receive buffer: bytes as they come, messages as soon as they are complete."""

from collections.abc import Callable, Iterator
from typing import Any

from server.wire.decode import Decoder
from server.wire.kinds import Limits

SIZE = 1 << 20
"""The budget of a block [bytes], measured best on CPU; one message above it makes the buffer grow."""


class Buffer:
    """Receives into one piece of memory; a message is decoded (copied out) before its bytes are reused."""

    def __init__(self, limits: Limits | None = None, *, nodes: bool = False) -> None:
        self._decoder = Decoder(limits, nodes=nodes)
        self._bytes = bytearray(SIZE)
        self.pending = 0
        """Bytes of an incomplete message at the start of the buffer."""

    def messages(self, receive: Callable[[memoryview], int]) -> Iterator[Any]:
        """The messages of a stream to its end; ``receive`` fills a view and says how far, 0 at the end.

        Raises ProtocolError where the stream cannot be followed, and whatever ``receive`` raises.
        """
        while count := receive(memoryview(self._bytes)[self.pending :]):
            self.pending += count
            view = memoryview(self._bytes)
            yield from self._decoder.decode(view[: self.pending])
            self._keep(view)

    def _keep(self, view: memoryview) -> None:
        """Move the incomplete rest to the front, into a larger buffer when it will not fit."""
        rest = self.pending - self._decoder.consumed
        if self._decoder.need > len(self._bytes):
            larger = bytearray(self._decoder.need + SIZE)
            larger[:rest] = view[self._decoder.consumed : self.pending]
            self._bytes = larger
        elif rest and self._decoder.consumed:
            view[:rest] = bytes(view[self._decoder.consumed : self.pending])
        self.pending = rest
