"""Messages that wait for a slow peer: first in memory, then in files without a name, up to a limit in all."""

import os
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MEMORY = 64 << 20
"""Bytes that wait in memory."""

SEGMENT = 64 << 20
"""Bytes behind which a new file is begun, so that what was taken gives its room back."""


class BacklogError(Exception):
    """No more messages can wait."""


@dataclass
class _Segment:
    """A file without a name."""

    file: IO[bytes]
    length: int = 0
    waiting: int = 0


class Backlog:
    """A queue of messages, for one thread at a time; in ``folder`` lie those that memory has no room for."""

    def __init__(self, folder: Path, limit: int = 2 << 30, memory: int = MEMORY) -> None:
        self._folder, self._memory, self._limit = folder, memory, limit
        self._items: deque[bytes | tuple[_Segment, int, int]] = deque()
        self._segments: deque[_Segment] = deque()
        self._held = self.size = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, message: bytes) -> None:
        """Append a message.

        Raises BacklogError beyond the limit, or when the disk does not take it.
        """
        size = len(message)
        if self._items and self.size + size > self._limit:
            raise BacklogError(
                f"{self.size} bytes of replies wait for the peer, which does not read; "
                f"it may let {self._limit} wait"
            )
        if self._held + size <= self._memory:
            self._items.append(message)
            self._held += size
        else:
            self._store(message)
        self.size += size

    def take(self) -> bytes:
        """Remove the first message and give it."""
        item = self._items.popleft()
        if isinstance(item, bytes):
            self._held -= len(item)
        else:
            item = self._load(*item)
        self.size -= len(item)
        return item

    def clear(self) -> None:
        """Drop everything."""
        self._items.clear()
        self._held = self.size = 0
        while self._segments:
            self._segments.pop().file.close()

    def _store(self, message: bytes) -> None:
        try:
            if not self._segments or self._segments[-1].length >= SEGMENT:
                self._segments.append(_begun(self._folder))
            segment, view = self._segments[-1], memoryview(message)
            while view:
                at = segment.length + len(message) - len(view)
                view = view[os.pwrite(segment.file.fileno(), view, at) :]
        except OSError as error:
            raise BacklogError(
                f"{self.size} bytes of replies wait for the peer, which does not read, "
                f"and the disk takes no more: {error.strerror}"
            ) from None
        self._items.append((segment, segment.length, len(message)))
        segment.length += len(message)
        segment.waiting += 1

    def _load(self, segment: _Segment, at: int, size: int) -> bytes:
        message = os.pread(segment.file.fileno(), size, at)
        segment.waiting -= 1
        if not segment.waiting:
            segment.file.close()
            self._segments.remove(segment)
        return message


def _begun(folder: Path) -> _Segment:
    return _Segment(tempfile.TemporaryFile(dir=folder, buffering=0))
