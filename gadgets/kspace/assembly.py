"""All buffers of one encoding space, and what leaves when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gadgets.data import Block, Kspace, Reference, Text
from gadgets.errors import DataError
from gadgets.kspace.buffer import Buffer, open_buffer
from gadgets.kspace.coverage import name_lines
from gadgets.kspace.layout import Indices, Layout
from gadgets.kspace.reference import Frames, flagged_alone, flagged_among, gapless
from gadgets.kspace.rows import Key, Rows, key_of, read
from gadgets.kspace.trigger import ended_by_change, ended_by_flag, next_stop

Item: TypeAlias = Kspace | Reference | Text


@dataclass(kw_only=True)
class Assembly:
    """The open buffers of one encoding space."""

    layout: Layout
    trigger: str
    incomplete: Literal["error", "mark"]
    calibrate: Literal["first", "each"]
    open: dict[Key, Buffer] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)
    """Buffers that have left."""

    calibrated: set[Key | int] = field(default_factory=set)
    """Slices (or with ``each``, buffers) whose Reference has left, or never will."""

    frames: dict[int, Frames] = field(default_factory=dict)
    """By slice, frames that wait for their Reference."""

    recent: dict[int, Frames] = field(default_factory=dict)
    """By slice, frames that left since their slice's last Reference."""

    count: int = 0
    shape: tuple[int, int, bool] | None = None

    def add(self, block: Block) -> Iterator[Item]:
        """Lay the lines of a block into their buffers; what is complete with them leaves."""
        self._check(block)
        rows = read(block, self.layout, self.trigger, self.count)
        self.count += len(block.head)
        start, size = 0, len(block.head)
        while start < size:
            yield from self._leave(ended_by_change(rows, start, self.open.values(), self.trigger))
            stop = next_stop(rows, start, self.open, self.layout, self.trigger)
            touched = self._lay(rows, start, stop)
            yield from self._calibrations(rows, touched, stop - 1)
            yield from self._leave(self._ended(rows, touched, stop - 1))
            start = stop

    def close(self) -> Iterator[Item]:
        """Everything that is still open leaves."""
        yield from self._leave(list(self.open))
        for frames in self.frames.values():
            yield from (kspace for _, kspace in frames.waiting)
        self.frames.clear()

    def _check(self, block: Block) -> None:
        _, coils, samples = block.data.shape
        shape = (coils, samples, block.transformed)
        where = f"readout {self.count} of encoding space {self.layout.encoding}"
        self.shape = self.shape or shape
        for name, found, expected in zip(("coils", "samples"), shape, self.shape, strict=False):
            if found != expected:
                raise DataError(f"{where} has {found} {name}, the ones before had {expected}")
        if block.transformed != self.shape[2]:
            raise DataError(f"{where} and those before it are not in one domain along the readout")

    def _lay(self, rows: Rows, start: int, stop: int) -> list[Key]:
        touched = []
        for key, group in rows.groups:
            chosen = group[(group >= start) & (group < stop)]
            if len(chosen) == 0:
                continue
            self._refuse_late(rows, chosen, key)
            if key not in self.open:
                self.open[key] = open_buffer(key, rows, self.layout, int(chosen[0]))
            self.open[key].lay(rows, chosen, wanted=self._wanted(key))
            touched.append(key)
        return touched

    def _refuse_late(self, rows: Rows, chosen: Indices, key: Key) -> None:
        late = chosen if self.layout.embedded else chosen[rows.imaging[chosen]]
        if key in self.done and len(late):
            line = int(rows.k1[late[0]]) - self.layout.shift[1]
            raise DataError(f"line k1 = {line} of {key} came after the image of {key} was reconstructed")

    def _mark(self, key: Key) -> Key | int:
        return key if self.calibrate == "each" else key.slice

    def _wanted(self, key: Key) -> bool:
        return self._mark(key) not in self.calibrated

    def _calibrations(self, rows: Rows, touched: Iterable[Key], row: int) -> Iterator[Reference]:
        """The References whose last line has come: the last that the header promises, or a flagged one."""
        flagged_last = rows.last[row] and not rows.imaging[row]
        for key in touched:
            buffer = self.open[key]
            last = buffer.reference_due or (flagged_last and key == key_of(rows, row))
            if last and not buffer.referenced:
                buffer.referenced = gapless(buffer)
            if buffer.referenced and buffer.reference and self._wanted(key):
                self.calibrated.add(self._mark(key))
                yield flagged_alone(buffer)

    def _ended(self, rows: Rows, touched: Iterable[Key], row: int) -> list[Key]:
        ended = [key for key in touched if self.open[key].complete]
        if rows.last[row] and rows.imaging[row]:
            ended += ended_by_flag(rows, row, self.open, key_of(rows, row), self.trigger)
        return ended

    def _leave(self, keys: Iterable[Key]) -> Iterator[Item]:
        for key in sorted(set(keys)):
            yield from self._reference(key)
            buffer = self.open.pop(key)
            if buffer.imaging:
                self.done.add(key)
                yield from self._image(buffer)

    def _reference(self, key: Key) -> Iterator[Reference]:
        """The Reference that has to leave before a buffer: its own, else the slice's earliest."""
        own = self.open[key]
        if not self._wanted(key):
            return
        among = [own] if own.reference else self._references(key.slice)
        if (among and self.calibrate == "first") or own.reference:
            self.calibrated.add(self._mark(key))
            yield flagged_among(min(among, key=lambda buffer: buffer.key))

    def _references(self, at: int) -> list[Buffer]:
        return [buffer for key, buffer in self.open.items() if key.slice == at and buffer.reference]

    def _image(self, buffer: Buffer) -> Iterator[Item]:
        notes = {}
        lacking = buffer.missing()
        if lacking.any():
            fault = self._fault(buffer, int(lacking.sum()), name_lines(lacking, self.layout))
            if self.incomplete == "error":
                raise DataError(fault)
            notes["ScansideIncomplete"] = fault
            yield Text(text=fault, level="warning")
        if self.layout.assumed:
            notes["ScansideCenterAssumed"] = f"k1 = {self.layout.matrix[1] // 2}: no limits in the header"
        kspace = buffer.kspace(notes)
        if self.layout.interleaving and self._wanted(buffer.key) and buffer.key.slice not in self.calibrated:
            yield from self._frame(buffer.key, kspace)
            return
        if self.layout.interleaving and self.calibrate == "each" and buffer.key.slice in self.calibrated:
            yield from self._renewed(buffer.key, kspace)
        yield kspace

    def _fault(self, buffer: Buffer, number: int, names: str) -> str:
        promised = number + int((buffer.imaging.sampled > 0).sum())
        return f"{buffer.key}: {number} of {promised} lines missing: {names}"

    def _renewed(self, key: Key, kspace: Kspace) -> Iterator[Item]:
        """The Reference of the frames since the last one, when they fill k-space with this one."""
        frames = self.recent.setdefault(key.slice, Frames(layout=self.layout))
        reference = frames.add(key, kspace)
        if reference is not None:
            yield reference
        if reference is not None or frames.hopeless(key):
            del self.recent[key.slice]

    def _frame(self, key: Key, kspace: Kspace) -> Iterator[Item]:
        frames = self.frames.setdefault(key.slice, Frames(layout=self.layout))
        reference = frames.add(key, kspace)
        if reference is not None:
            yield reference
        elif not frames.hopeless(key):
            return
        self.calibrated.add(key.slice)
        yield from (waiting for _, waiting in self.frames.pop(key.slice).waiting)
