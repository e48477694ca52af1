"""Frames and the coil maps of their slices, whichever come first."""

from collections.abc import Iterable, Iterator

from gadgets.data import CoilMaps, Kspace, Reference
from gadgets.errors import DataError
from gadgets.recon.sampling import Frame, frames

WAITING = 64
"""How many images may wait for the coil maps of their slices."""

Key = tuple[int, int]
"""Encoding space and slice."""


def pairs(stream: Iterable[Kspace | CoilMaps | Reference]) -> Iterator[tuple[Frame, CoilMaps]]:
    """Each frame with the newest maps of its slice, as soon as both are there; reference lines end here.

    Raises DataError when frames have no maps at the end, when too many wait, or when the maps do not fit.
    """
    known: dict[Key, CoilMaps] = {}
    waiting: list[Frame] = []
    for item in stream:
        if isinstance(item, CoilMaps):
            known[item.encoding, item.slice] = item
        elif isinstance(item, Kspace):
            waiting += frames(item)
        ready = [frame for frame in waiting if _key(frame) in known]
        waiting = [frame for frame in waiting if _key(frame) not in known]
        if len(waiting) > WAITING:
            break
        for frame in ready:
            maps = known[_key(frame)]
            _check(frame, maps)
            yield frame, maps
    if waiting:
        encoding, number = _key(waiting[0])
        raise DataError(
            f"SENSE has no coil maps for slice {number} of encoding space {encoding}: it needs reference "
            "lines, or a gapless centre of k-space"
        )


def _key(frame: Frame) -> Key:
    return frame.source.encoding, frame.slice


def _check(frame: Frame, maps: CoilMaps) -> None:
    have, need = tuple(maps.data.shape[1:]), tuple(frame.data.shape)
    if have != need:
        raise DataError(
            f"coil maps of slice {maps.slice} are {have} (coil, z, y, x), but its k-space is {need}"
        )
