"""Branches of a line at work: a fan that hands items out, and a merge that puts what comes back in order.

The order does not depend on how fast a branch is, nor on where blocks were cut: the fan ends a segment before
and behind every item that is no readout, behind every LAST flag, and every ``UNIT`` readouts, and puts a mark
into each branch; marks pass gadgets like any item that they do not take. The merge gives what the branches
made of a segment branch by branch, in the order in which they are written.

Nothing can stand still for ever: a branch may run ahead of the merge by what its channels hold, and whatever
the merge waits for has all its items already, since the fan begins a segment only when its last one is in
every branch. The merge holds at most what later branches make of one segment.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from gadgets.data import Readouts
from gadgets.errors import Interrupted
from gadgets.gadget import AnyGadget, takes
from server.engine.channel import Channel, Closed
from server.wire.readouts import CUT_AFTER

UNIT = 256
"""Readouts after which a segment ends, when no LAST flag ends it before."""


class Mark:
    """The end of a segment, of one fan."""


class Fan:
    """Hands each item to the branches that take it; one that none takes goes through the first alone."""

    def __init__(
        self,
        branches: Sequence[Sequence[AnyGadget]],
        inlets: Sequence[Channel[Any]],
        record: Callable[[BaseException], None],
    ) -> None:
        self.mark = Mark()
        self._branches, self._inlets, self._record = branches, inlets, record
        self._gone = [False] * len(inlets)
        self._open = False
        self._count = 0
        self._known: dict[type, list[int]] = {}

    def drive(self, inlet: Channel[Any]) -> None:
        """Hand out until the stream ends; its end, either way, is that of all branches."""
        try:
            for item in inlet:
                self._hand(item)
                del item
            self._end(None)
        except Closed:
            self._end(Closed())
        except Interrupted as interruption:
            self._end(interruption.__cause__ or interruption)
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: its channels must end
            self._record(error)
            self._end(error)
        finally:
            inlet.abandon()

    def _hand(self, item: Any) -> None:  # noqa: ANN401 - any item
        if not isinstance(item, Readouts):
            self._segment()
        chosen = self._chosen(type(item))
        for piece, ends in self._pieces(item):
            self._open = True
            for index in chosen:
                self._put(index, piece)
            if ends:
                self._segment()

    def _pieces(self, item: Any) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401 - any item
        """The item in pieces, and whether a segment ends behind each."""
        if not isinstance(item, Readouts):
            yield item, True
            return
        count = len(item.head)
        ends = np.flatnonzero(item.head["flags"] & CUT_AFTER != 0) + 1
        units = np.arange(UNIT - self._count % UNIT, count + 1, UNIT)
        edges = sorted({0, count, *ends.tolist(), *units.tolist()})
        for start, stop in pairwise(edges):
            path = None if item.trajectory is None else item.trajectory[start:stop]
            part = replace(item, head=item.head[start:stop], data=item.data[start:stop], trajectory=path)
            self._count += stop - start
            yield part if stop - start < count else item, stop in ends or stop in units

    def _chosen(self, kind: type) -> list[int]:
        if kind not in self._known:
            self._known[kind] = self._choose(kind)
        return self._known[kind]

    def _choose(self, kind: type) -> list[int]:
        found = [number for number, branch in enumerate(self._branches) if branch and takes(branch, kind)]
        if not found:
            return [0]
        return [number for number, branch in enumerate(self._branches) if not branch or number in found]

    def _segment(self) -> None:
        """End the segment, when anything is in it."""
        if not self._open:
            return
        self._open = False
        for index in range(len(self._inlets)):
            self._put(index, self.mark)

    def _put(self, index: int, item: Any) -> None:  # noqa: ANN401 - any item
        """Hand over; a branch that listens no more is left out, and without any the fan ends."""
        if self._gone[index]:
            return
        try:
            self._inlets[index].put(item)
        except Closed:
            self._gone[index] = True
            if all(self._gone):
                raise

    def _end(self, error: BaseException | None) -> None:
        for inlet in self._inlets:
            if error is None:
                inlet.finish()
            else:
                inlet.fail(error)


class Merge:
    """Puts what the branches give into one channel, segment by segment, branch by branch."""

    def __init__(
        self, fan: Fan, inlets: Sequence[Channel[Any]], ends: Sequence[Channel[Any]], outlet: Channel[Any]
    ) -> None:
        self._mark, self._inlets, self._ends, self._outlet = fan.mark, inlets, ends, outlet
        self._change = threading.Condition()
        self._segment = self._turn = 0
        """Which segment, and which branch of it, is given now."""
        self._passed = [0] * len(ends)
        """Segments that each branch has ended."""
        self._ended = [False] * len(ends)
        self._held: list[deque[Any]] = [deque() for _ in ends]
        """What later branches made of this segment."""
        self._error: BaseException | None = None
        self._lost = False
        """Nobody listens to what is given."""

    def drive(self, index: int) -> None:
        """Take what branch ``index`` gives, to its end."""
        try:
            for item in self._ends[index]:
                if item is self._mark:
                    self._pass(index)
                else:
                    self._give(index, item)
                del item
        except Interrupted as interruption:
            self._fail(interruption.__cause__ or interruption)
        except Closed:
            self._lose()
        finally:
            self._end(index)

    def _give(self, index: int, item: Any) -> None:  # noqa: ANN401 - any item
        with self._change:
            self._change.wait_for(lambda: self._lost or self._passed[index] == self._segment)
            if self._lost:
                raise Closed
            if index == self._turn:
                self._outlet.put(item)
            else:
                self._held[index].append(item)

    def _pass(self, index: int) -> None:
        with self._change:
            self._passed[index] += 1
            self._advance()

    def _advance(self) -> None:
        """Go on to the branch that has not ended this segment; what it gave so far goes out."""
        while not all(self._ended) and (self._ended[self._turn] or self._passed[self._turn] > self._segment):
            self._turn += 1
            if self._turn == len(self._ends):
                self._turn, self._segment = 0, self._segment + 1
            self._out(self._turn)
        self._change.notify_all()

    def _out(self, index: int) -> None:
        while self._held[index]:
            self._outlet.put(self._held[index].popleft())

    def _fail(self, error: BaseException) -> None:
        """A branch cannot go on: neither can the others."""
        with self._change:
            self._error = self._error or error
        for inlet in self._inlets:
            inlet.fail(error)

    def _lose(self) -> None:
        with self._change:
            self._lost = True
            self._change.notify_all()
        for end in self._ends:
            end.abandon()

    def _end(self, index: int) -> None:
        try:
            with self._change:
                self._ended[index] = True
                self._advance()
                if not all(self._ended):
                    return
                for number in range(len(self._ends)):
                    self._out(number)
        except Closed:
            self._lose()
        if self._error is None:
            self._outlet.finish()
        else:
            self._outlet.fail(self._error)
