"""Retrospective gating: the lines of a segmented cine scan at the same phases of the heartbeat."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gadgets.data import Block, Notes, Text
from gadgets.gadget import Gadget
from gadgets.head import Flag
from gadgets.interpolation import on_cycle
from gadgets.scan import Scan

SAME = 4
"""Ticks by which the trigger of one beat may seem to move from readout to readout."""

EDGES = (
    Flag.FIRST_IN_SLICE
    | Flag.LAST_IN_SLICE
    | Flag.FIRST_IN_PHASE
    | Flag.LAST_IN_PHASE
    | Flag.FIRST_IN_SEGMENT
    | Flag.LAST_IN_SEGMENT
    | Flag.FIRST_IN_REPETITION
    | Flag.LAST_IN_REPETITION
)

PARAMETER = "RetroGatedImages"
"""Of the header: how many phases are wanted."""


@dataclass(frozen=True, kw_only=True)
class GateHeartbeats(Gadget):
    """The lines of each slice at the same phases of the heartbeat, interpolated in time.

    A line is measured again and again in one heartbeat, or in several. Its samples lie at parts of that
    beat's interval (time stamp and time since trigger say which); between them k-space is interpolated by
    cubic pieces (``gadgets.interpolation``), from the last to the first across the trigger. Of several beats
    that measured a line the one whose interval is nearest to the slice's median counts; a text says how many
    intervals differ by more than ``tolerance`` and had to be used. Slices come one after the other; what has
    no time since a trigger passes as it is.
    """

    phases: Annotated[int, Field(ge=2, le=200)] | None = None
    """Phases of the heartbeat; those that the header wants (``RetroGatedImages``), else the median of what a
    line was measured, when None."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Of an interval, as a part of the median one."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block | Text]:
        """Give one block for each phase of a slice, one after the other, when the next slice begins."""
        wanted = self.phases or _whole(scan.parameters.get(PARAMETER))
        held: list[Block] = []
        for block in stream:
            for part in _by_slice(block):
                if held and _slice(held[0]) != _slice(part):
                    yield from self._gated(held, wanted)
                    held = []
                held.append(part)
        if held:
            yield from self._gated(held, wanted)

    def _gated(self, held: list[Block], wanted: int | None) -> Iterator[Block | Text]:
        head = np.concatenate([block.head for block in held])
        if not head["physiology_time_stamp"][:, 0].any():
            yield from held
            return
        lines = _Lines(head=head, data=np.concatenate([block.data for block in held]))
        phases = wanted or lines.usual
        strange = lines.strange(self.tolerance)
        if strange:
            text = f"slice {_slice(held[0])}: {strange} heartbeats of unusual length were needed"
            yield Text(text=text, level="warning")
        notes: Notes = {**held[0].notes, "ScansideGating": f"{phases} phases of {len(lines.beats)} beats"}
        heads = lines.heads(phases).reshape(phases, -1)
        for head, data in zip(heads, lines.at(phases), strict=True):
            yield replace(held[0], head=head, data=data, notes=notes)


def _whole(value: Any) -> int | None:  # noqa: ANN401 - a user parameter of the header
    try:
        return int(value) if int(value) >= 2 else None
    except (TypeError, ValueError):
        return None


def _slice(block: Block) -> int:
    return int(block.head["idx"]["slice"][0])


def _by_slice(block: Block) -> Iterator[Block]:
    """Stretches of readouts of one slice."""
    edges = np.flatnonzero(np.diff(block.head["idx"]["slice"].astype(int))) + 1
    for first, last in zip([0, *edges], [*edges, len(block.head)], strict=True):
        if last > first:
            yield replace(block, head=block.head[first:last], data=block.data[first:last])


@dataclass(kw_only=True, eq=False)
class _Lines:
    """The readouts of one slice, by line."""

    head: NDArray[Any]
    data: NDArray[np.complex64]
    beats: NDArray[np.float64] = field(init=False)
    """Interval of each beat [tick]; the median where the next beat is not known."""

    place: NDArray[np.float64] = field(init=False)
    """The part of its beat that has gone by at each readout."""

    rows: list[NDArray[np.int64]] = field(init=False)
    """Readouts of each line in the beat that counts, in order of time."""

    _beat: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        since = self.head["physiology_time_stamp"][:, 0].astype(float)
        trigger = self.head["acquisition_time_stamp"].astype(float) - since
        order = np.argsort(trigger, kind="stable")
        self._beat = np.zeros(len(trigger), np.int64)
        self._beat[order] = np.cumsum(np.diff(trigger[order], prepend=trigger[order[0]]) > SAME)
        self.beats = _intervals(trigger, since, self._beat)
        self.place = since / self.beats[self._beat]
        self.rows = self._chosen()

    def _chosen(self) -> list[NDArray[np.int64]]:
        idx = self.head["idx"]
        names = ("kspace_encode_step_2", "kspace_encode_step_1", "contrast", "set", "average")
        keys = np.stack([idx[name] for name in names], 1)
        away = np.abs(self.beats - np.median(self.beats))
        found = []
        for line in np.unique(keys, axis=0):
            mine = np.flatnonzero((keys == line).all(1))
            which = np.unique(self._beat[mine])
            best = which[np.argmin(away[which])]
            mine = mine[self._beat[mine] == best]
            found.append(mine[np.argsort(self.place[mine], kind="stable")])
        return found

    @property
    def usual(self) -> int:
        """How often a line was measured, in the median."""
        return max(int(np.median([len(rows) for rows in self.rows])), 2)

    def strange(self, tolerance: float) -> int:
        """Beats that count although their interval is unusual."""
        used = np.unique([self._beat[rows[0]] for rows in self.rows])
        usual = np.median(self.beats)
        return int((np.abs(self.beats[used] - usual) > tolerance * usual).sum())

    def heads(self, phases: int) -> NDArray[Any]:
        """Headers [phase * line] of the new readouts; the last one ends the slice."""
        firsts = self.head[[int(rows[0]) for rows in self.rows]]
        out = np.tile(firsts, phases)
        phase = np.repeat(np.arange(phases), len(self.rows))
        out["idx"]["phase"], out["idx"]["segment"] = phase, 0
        out["physiology_time_stamp"][:, 0] = np.rint(phase * (np.median(self.beats) / phases))
        out["flags"] &= ~np.uint64(int(EDGES))
        out["flags"][-1] |= np.uint64(int(Flag.LAST_IN_SLICE))
        return out

    def at(self, phases: int) -> Iterator[NDArray[np.complex64]]:
        """Samples [line, coil, sample] of each phase: one can be reconstructed while the next is made."""
        wanted = np.arange(phases) / phases
        pairs = [on_cycle(self.place[rows], wanted) for rows in self.rows]
        which = np.stack([rows[index] for rows, (index, _) in zip(self.rows, pairs, strict=True)])
        weight = np.stack([each for _, each in pairs]).astype(np.float32)
        for phase in range(phases):
            yield _summed(self.data, which[:, phase], weight[:, phase])


def _summed(
    data: NDArray[np.complex64], which: NDArray[np.int64], weight: NDArray[np.float32]
) -> NDArray[np.complex64]:
    """Weighted sums [line, coil, sample] of readouts ``which`` [line, tap]."""
    parts = data.reshape(len(data), -1).view(np.float32)
    total = parts[which[:, 1]]
    total *= weight[:, 1, None]
    for tap in (0, 2, 3):
        used = np.flatnonzero(weight[:, tap])
        more = parts[which[used, tap]]
        more *= weight[used, tap, None]
        if len(used) == len(total):
            total += more
        else:
            total[used] += more
    out: NDArray[np.complex64] = total.view(np.complex64).reshape(len(which), *data.shape[1:])
    return out


def _intervals(
    trigger: NDArray[np.float64], since: NDArray[np.float64], beat: NDArray[np.int64]
) -> NDArray[np.float64]:
    """From each beat's trigger to the next one's; never shorter than what was measured in it."""
    count = int(beat.max()) + 1
    begin = np.array([trigger[beat == n].min() for n in range(count)])
    longest = np.array([since[beat == n].max() for n in range(count)])
    steps = np.diff(begin)
    usual = float(np.median(steps)) if count > 1 else float(longest[0]) + 1
    intervals = np.append(steps, usual)
    intervals[intervals > 2.5 * usual] = usual
    found: NDArray[np.float64] = np.maximum(intervals, longest + 1)
    return found
