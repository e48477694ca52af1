"""Coil compression: fewer virtual channels that hold the signal, their noise as white as before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gadgets.arrays import to_image
from gadgets.data import Block
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.head import LAST, Flag
from gadgets.readout.noise import In, Out, Pending, Prewhiten
from gadgets.readout.whitening import Whitener
from gadgets.scan import Scan

Key = tuple[int, int]
"""Encoding space and slice."""

CALIBRATION = int(Flag.PARALLEL_CALIBRATION | Flag.PARALLEL_CALIBRATION_AND_IMAGING)
ENDS = int(LAST["slice"] | LAST["repetition"] | Flag.LAST_IN_MEASUREMENT)


@dataclass(frozen=True, kw_only=True)
class CompressCoils(Gadget):
    """Combine the channels to fewer virtual ones, in the order of their energy.

    The principal components of the central lines of each slice, so of prewhitened data those with the highest
    signal-to-noise ratio; as the combinations are orthonormal, white noise stays white (Buehrer et al., MRM
    57:1131, 2007; geometric: Zhang et al., MRM 69:571, 2013). Readouts are held back until the slice's first
    central lines are there, or its last line. What comes out does not depend on where blocks were cut.
    """

    channels: Annotated[int, Field(ge=1)] | None = None
    """How many virtual channels, where there are as many; by ``threshold`` when None."""

    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.002
    """Virtual channels with less energy, relative to the first, are left out; the first slice decides."""

    geometric: bool = False
    """Other combinations at each position of the readout, as the coils differ there; smooth along it."""

    uncombined: Annotated[int, Field(ge=0)] = 0
    """The last channels, as many, stay as they are, behind the virtual ones."""

    lines: Annotated[int, Field(ge=1)] = 24
    """How many central lines decide; reference lines count as central."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block]:
        """The blocks in their order, with fewer channels.

        Raises DataError where there are no channels beside those that stay as they are.
        """
        state = _State(gadget=self, scan=scan)
        for block in stream:
            state.take(block)
            yield from state.ready()
        state.ended = True
        yield from state.ready()

    def joined(self, before: Gadget) -> Gadget | None:
        """Behind Prewhiten: its matrix and that of the combinations become one, of as few rows."""
        plain = type(before) is Prewhiten and type(self) is CompressCoils  # a subclass may do something else
        if isinstance(before, Prewhiten) and plain and not self.geometric:
            return _PrewhitenAndCompressCoils(whiten=before, compress=self)
        return None


@dataclass(frozen=True, kw_only=True)
class _PrewhitenAndCompressCoils(Gadget):
    """What the two give one after the other, but for rounding: only the lines that decide are whitened."""

    whiten: Prewhiten
    compress: CompressCoils

    def process(self, stream: Iterable[In], scan: Scan) -> Iterator[Out]:
        """The blocks in their order, with fewer channels, and what else Prewhiten gives."""
        state = _State(gadget=self.compress, scan=scan)
        for item in self.whiten.pending(stream, scan):
            if isinstance(item, Pending) and isinstance(item.item, Block):
                state.whitener = item.whitener
                state.take(item.item)
                yield from state.ready()
            else:
                yield item.whitened() if isinstance(item, Pending) else item
        state.ended = True
        yield from state.ready()


@dataclass(kw_only=True)
class _State:
    """The blocks that wait, and what is known of each slice."""

    gadget: CompressCoils
    scan: Scan
    whitener: Whitener = field(default_factory=Whitener)
    """What the blocks still want before they are combined."""

    waiting: list[Block] = field(default_factory=list)
    seen: dict[Key, list[NDArray[np.complex64]]] = field(default_factory=dict)
    """Central lines of slices that are not decided yet, [coil, sample] each."""

    matrices: dict[Key, torch.Tensor] = field(default_factory=dict)
    """complex64, [x, virtual channel, channel]; one x where all share it."""

    kept: int | None = None
    ended: bool = False

    def take(self, block: Block) -> None:
        """Note what a block says of slices that are not decided."""
        self.whitener.check(block)
        if self.gadget.geometric and not block.transformed:
            data = to_image(torch.from_numpy(block.data)).numpy()
            block = replace(block, data=data, transformed=True)
        self.waiting.append(block)
        slices = block.head["idx"]["slice"]
        if all((block.encoding, int(one)) in self.matrices for one in np.unique(slices)):
            return
        central = self._central(block)
        last = (block.head["flags"] & np.uint64(ENDS)) != 0
        for row in np.flatnonzero(central | last):
            key = block.encoding, int(slices[row])
            if key not in self.matrices:
                lines = self.seen.setdefault(key, [])
                lines += [self._line(block, row)] if central[row] else []
                if len(lines) == self.gadget.lines or (last[row] and lines):
                    self.decide(key)

    def ready(self) -> Iterator[Block]:
        """The blocks at the front whose slices are decided; at the end all of them."""
        while self.waiting:
            block = self.waiting[0]
            slices = [int(one) for one in np.unique(block.head["idx"]["slice"])]
            for key in ((block.encoding, one) for one in slices):
                if key not in self.matrices:
                    if not self.ended:
                        return
                    self.decide(key)
            yield self._compressed(self.waiting.pop(0), slices)

    def decide(self, key: Key) -> None:
        """Fix the combinations of a slice by its central lines, or where there are none by all its lines."""
        lines = self.seen.pop(key, None) or [
            self._line(block, row)
            for block in self.waiting
            if block.encoding == key[0]
            for row in np.flatnonzero(block.head["idx"]["slice"] == key[1])
        ]
        samples = torch.from_numpy(np.stack(lines))
        combined = samples.shape[1] - self.gadget.uncombined
        if combined < 1:
            raise DataError(
                f"CompressCoils needs a channel beside {self.gadget.uncombined} that stay as they are, "
                f"got {samples.shape[1]}"
            )
        vectors, energy = components(samples[:, :combined], geometric=self.gadget.geometric)
        if self.kept is None:
            enough = int((energy > self.gadget.threshold * energy[0]).sum())
            self.kept = min(self.gadget.channels or max(enough, 1), combined)
        matrix = aligned(vectors[:, : self.kept])
        size = matrix.shape[1:]
        whole = matrix.new_zeros((len(matrix), size[0] + self.gadget.uncombined, samples.shape[1]))
        whole[:, : size[0], : size[1]] = matrix
        whole[:, size[0] :, size[1] :] = torch.eye(self.gadget.uncombined, dtype=matrix.dtype)
        self.matrices[key] = whole

    def _central(self, block: Block) -> NDArray[np.bool_]:
        encoding, half = self.scan.encoding(block.encoding), self.gadget.lines / 2
        central = np.ones(len(block.head), np.bool_)
        for axis, name in ((1, "kspace_encode_step_1"), (2, "kspace_encode_step_2")):
            limit = encoding.limit(name)
            middle = limit.center if limit else encoding.encoded.matrix[axis] // 2
            central &= np.abs(block.head["idx"][name].astype(np.int64) - middle) <= half
        flagged = (block.head["flags"] & np.uint64(CALIBRATION)) != 0
        central |= flagged
        return central

    def _line(self, block: Block, row: int | np.intp) -> NDArray[np.complex64]:
        line: NDArray[np.complex64] = self.whitener.apply(_some(block, slice(row, row + 1))).data[0]
        return line

    def _compressed(self, block: Block, slices: list[int]) -> Block:
        numbers = block.head["idx"]["slice"]
        parts = [self._combined(_some(block, numbers == one), one) for one in slices[1:]]
        whole = self._combined(block, slices[0])
        for one, part in zip(slices[1:], parts, strict=True):
            whole.data[numbers == one] = part.data
        head = block.head.copy()
        head["active_channels"] = whole.data.shape[1]
        notes = {**whole.notes, "ScansideCoils": f"{whole.data.shape[1]} of {block.data.shape[1]}"}
        return replace(whole, head=head, notes=notes)

    def _combined(self, block: Block, number: int) -> Block:
        """Readouts as the combinations of one slice."""
        matrix = self.matrices[block.encoding, number]
        if len(matrix) == 1:
            return self.whitener.apply(block, matrix[0])
        turned = torch.from_numpy(block.data).permute(2, 0, 1) @ matrix.mT
        return replace(block, data=turned.permute(1, 2, 0).contiguous().numpy())


def _some(block: Block, rows: slice | NDArray[np.bool_]) -> Block:
    return replace(block, head=block.head[rows], data=block.data[rows])


def components(samples: torch.Tensor, *, geometric: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Principal components of readouts [readout, coil, x], greatest first, and their energy in all.

    complex64 [x, virtual channel, channel] with one x where not ``geometric``, float64 [virtual channel].
    """
    by_place = samples.permute(2, 1, 0) if geometric else samples.permute(1, 0, 2).flatten(1).unsqueeze(0)
    values, vectors = torch.linalg.eigh((by_place @ by_place.mH).to(torch.complex128))
    return vectors.mH.flip(1).to(torch.complex64), values.flip(1).clamp(min=0).sum(0)


def aligned(matrices: torch.Tensor) -> torch.Tensor:
    """The same spaces of combinations, each place's turned to be as near its neighbour's as can be.

    From the middle outwards, by the polar factor of A(x) A(x - 1)^H, so that channels are smooth along x.
    """
    out = matrices.clone()
    middle = len(matrices) // 2
    for places in (range(middle + 1, len(matrices)), range(middle - 1, -1, -1)):
        for x in places:
            before = out[x - places.step]
            left, _, right = torch.linalg.svd(before @ out[x].mH)
            out[x] = (left @ right) @ out[x]
    return out
