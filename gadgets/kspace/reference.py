"""The reference lines of a slice: flagged lines, or the union of frames with interleaved lines."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from gadgets.data import Kspace, Reference
from gadgets.kspace.buffer import Buffer
from gadgets.kspace.coverage import box, region
from gadgets.kspace.layout import Layout, Mask
from gadgets.kspace.rows import Key


def flagged_alone(buffer: Buffer) -> Reference:
    """The reference lines as they were flagged."""
    return _cut(buffer, buffer.reference.mean(), buffer.reference.sampled > 0)


def flagged_among(buffer: Buffer) -> Reference:
    """The reference lines, and the imaging lines between them where they are embedded."""
    if not (buffer.layout.embedded and buffer.imaging):
        return flagged_alone(buffer)
    data, sampled = buffer.lines()
    return _cut(buffer, data, box(buffer.reference.sampled > 0) & (sampled > 0))


def gapless(buffer: Buffer) -> bool:
    """Whether the flagged lines leave no gap."""
    flagged = buffer.reference.sampled > 0
    return bool(flagged.any() and (flagged == box(flagged)).all())


def _cut(buffer: Buffer, data: NDArray[np.complex64], lines: Mask) -> Reference:
    k2, k1 = region(lines)
    return Reference(
        data=torch.from_numpy(data[:, k2, k1].copy()),
        first=(k2.start, k1.start),
        shape=(*buffer.layout.matrix, data.shape[-1]),
        encoding=buffer.layout.encoding,
        slice=buffer.key.slice,
        transformed=buffer.transformed,
        notes=buffer.notes,
    )


@dataclass(kw_only=True)
class Frames:
    """The first frames of a slice whose lines are interleaved, kept back until their union is gapless."""

    layout: Layout
    waiting: list[tuple[Key, Kspace]] = field(default_factory=list)

    def add(self, key: Key, kspace: Kspace) -> Reference | None:
        """The mean of the frames that differ from this one in the interleaved counter only, once gapless."""
        self.waiting.append((key, kspace))
        items = [item for _, item in sorted(self._alike(key), key=lambda frame: frame[0])]
        lines = np.any([_lines(item) for item in items], axis=0)
        if not self._whole(lines, len(items)):
            return None
        return _union(items, key, region(lines))

    def hopeless(self, key: Key) -> bool:
        """Twice as many frames as the acceleration asks for have not filled k-space."""
        return len(self._alike(key)) >= 2 * self.layout.step[0] * self.layout.step[1]

    def _alike(self, key: Key) -> list[tuple[Key, Kspace]]:
        names = [name for name in Key._fields if name != self.layout.interleaving]

        def alike(other: Key) -> bool:
            return all(getattr(other, name) == getattr(key, name) for name in names)

        return [frame for frame in self.waiting if alike(frame[0])]

    def _whole(self, lines: Mask, frames: int) -> bool:
        if self.layout.span[1] is None:
            return frames >= self.layout.step[0] * self.layout.step[1] and bool(lines[box(lines)].all())
        k2, k1 = (
            span or range(size) for span, size in zip(self.layout.span, self.layout.matrix, strict=True)
        )
        return bool(lines[k2.start : k2.stop, k1.start : k1.stop].all())


def _lines(kspace: Kspace) -> Mask:
    return np.asarray(kspace.sampled[0, 0, 0].numpy() > 0)


def _union(frames: list[Kspace], key: Key, where: tuple[slice, slice]) -> Reference:
    k2, k1 = where
    first = frames[0]
    total = first.data[0, 0, 0, :, k2, k1].clone()
    count = (first.sampled[0, 0, 0, k2, k1] > 0).float()
    for frame in frames[1:]:
        have = frame.sampled[0, 0, 0, k2, k1] > 0
        total[:, have] += frame.data[0, 0, 0, :, k2, k1][:, have]
        count += have
    several = count > 1
    total[:, several] /= count[several][:, None]
    _, _, _, _, *shape = first.data.shape
    return Reference(
        data=total,
        first=(k2.start, k1.start),
        shape=(shape[0], shape[1], shape[2]),
        encoding=first.encoding,
        slice=key.slice,
        transformed=first.transformed,
        notes=first.notes,
    )
