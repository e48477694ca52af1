"""Where in a block something ends, so that no result depends on where the block was cut."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from gadgets.kspace.buffer import Buffer, open_buffer
from gadgets.kspace.layout import Indices, Layout
from gadgets.kspace.rows import Key, Rows, key_of


def next_stop(rows: Rows, start: int, buffers: Mapping[Key, Buffer], layout: Layout, trigger: str) -> int:
    """The first row after ``start`` before which everything so far has to be looked at.

    It follows a LAST flag, or the line that completes a grid or the reference lines; or it begins a new
    repetition, or leaves a buffer that can only end by being left.
    """
    stops = [len(rows.last)]
    stops.extend(np.flatnonzero(rows.last[start:])[:1] + start + 1)
    for key, group in rows.groups:
        coming = group[np.searchsorted(group, start) :]
        if len(coming):
            buffer = buffers.get(key) or open_buffer(key, rows, layout)
            stops.extend(_filled(rows, coming, buffer))
            if trigger == "repetition" and key not in buffers:
                stops.append(int(coming[0]))
            if buffer.uncertain:
                stops.append(start + int(np.count_nonzero(coming == start + np.arange(len(coming)))))
    return int(min(stop for stop in stops if stop > start))


def _filled(rows: Rows, coming: Indices, buffer: Buffer) -> Iterator[int]:
    imaging = coming[rows.imaging[coming]]
    if len(imaging):
        full = buffer.full_after(rows.k2[imaging], rows.k1[imaging], rows.average[imaging])
        if full is not None:
            yield int(imaging[full]) + 1
    flagged = coming[rows.flagged[coming]]
    referenced = buffer.referenced_after(len(flagged))
    if referenced is not None:
        yield int(flagged[referenced]) + 1


def ended_by_change(rows: Rows, start: int, buffers: Iterable[Buffer], trigger: str) -> list[Key]:
    """The buffers that end because the row at ``start`` belongs to another one.

    A new repetition of its slice ends a buffer in any case, when that is the trigger. Everything else may be
    an interleaved order: it ends only what came in one piece and has no gap.
    """
    now = key_of(rows, start)

    def ended(key: Key, buffer: Buffer) -> bool:
        if trigger == "repetition" and key.slice == now.slice and key.repetition < now.repetition:
            return True
        left = key != now and buffer.began + buffer.size == rows.before + start
        return left and buffer.uncertain and bool(buffer.reference) and buffer.gapless

    return [buffer.key for buffer in buffers if ended(buffer.key, buffer)]


def ended_by_flag(rows: Rows, row: int, buffers: Mapping[Key, Buffer], own: Key, trigger: str) -> list[Key]:
    """The buffers that end with the LAST flag of an imaging line.

    Its own, unless averages are still to come; of the others with the same value of the trigger's counter
    (of all, with LAST_IN_MEASUREMENT alone) those without a gap.
    """
    by_counter = rows.ends_counter[row]
    ended = []
    for key, buffer in buffers.items():
        if key == own and by_counter:
            ended += [key] if not buffer.pending else []
        elif rows.ends_all[row] or getattr(key, trigger) == getattr(own, trigger):
            ended += [key] if buffer.gapless else []
    return ended
