"""A bounded pipe between two threads that ends in one of two ways: finished or failed."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from gadgets.errors import Interrupted

T = TypeVar("T")


class Closed(BaseException):
    """The receiver is gone: what is put now would never be read.

    Derived from BaseException, so that a gadget cannot swallow it.
    """


class Channel(Generic[T]):
    """A pipe that holds at most ``depth`` items and ``budget`` bytes; a full one makes the sender wait.

    An item larger than the budget is handed over only when the receiver waits for it: the buffers of whole
    images do not pile up between gadgets, and the sender can still make the next one meanwhile.

    ``waits`` is called whenever the receiver has nothing to do.

    The sender ends it with ``finish`` (nothing more will come) or ``fail`` (nothing more can come); the
    receiver may ``abandon`` it. Items that were put before a failure are still delivered, in order.
    """

    def __init__(
        self,
        depth: int = 64,
        budget: int = 1 << 21,
        size: Callable[[T], int] = lambda _: 0,
        waits: Callable[[], None] = lambda: None,
    ) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._depth, self._budget, self._size, self._waits = depth, budget, size, waits
        self._bytes = 0
        self._done = self._gone = self._waiting = False
        self._error: BaseException | None = None
        self._turn = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def idle(self) -> bool:
        """The receiver waits, and nothing is there; or it is gone."""
        return self._gone or (self._waiting and not self._items)

    def put(self, item: T) -> None:
        """Hand an item over, waiting for room.

        Raises Closed when the receiver has abandoned the channel, or when it was ended.
        """
        size = self._size(item)
        with self._turn:
            self._turn.wait_for(lambda: self._gone or self._done or self._room(size))
            if self._gone or self._done:
                raise Closed
            self._items.append((item, size))
            self._bytes += size
            self._turn.notify_all()

    def _room(self, size: int) -> bool:
        if size > self._budget:
            return not self._items and self._waiting
        return not self._items or (len(self._items) < self._depth and self._bytes + size <= self._budget)

    def __iter__(self) -> Iterator[T]:
        """The items in order. None of them is held here while its receiver works on it.

        Raises Interrupted, from the sender's error, behind the last item of a failed channel.
        """
        while taken := self._take():
            yield taken.pop()

    def _take(self) -> list[T]:
        with self._turn:
            self._waiting = True
            self._turn.notify_all()
            if not self._items:
                self._waits()
            self._turn.wait_for(lambda: self._items or self._done or self._gone)
            self._waiting = False
            if self._items:
                item, size = self._items.popleft()
                self._bytes -= size
                self._turn.notify_all()
                return [item]
            if self._error is not None:
                raise Interrupted(str(self._error)) from self._error
            return []

    def finish(self) -> None:
        """The sender has said everything."""
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """The sender cannot go on; the first end counts."""
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._turn:
            if not self._done:
                self._done, self._error = True, error
            self._turn.notify_all()

    def abandon(self) -> None:
        """The receiver will not listen any more."""
        with self._turn:
            self._gone = True
            self._items.clear()
            self._bytes = 0
            self._turn.notify_all()
            self._waits()
