"""The role of every line of a frame: which are sources, which are made, which are kept as acquired."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from gadgets.recon.grappa.neighbours import Neighbours
from gadgets.recon.grappa.steps import Place, Steps, find
from gadgets.recon.sampling import variance
from gadgets.scan import Encoding

COUNTERS = ("kspace_encode_step_2", "kspace_encode_step_1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lattice:
    """The role of every line of one frame. All masks are bool [k2, k1]."""

    steps: Steps
    start: Place
    """Indices (k2, k1) of a line of the lattice, the first of its unit cell."""

    source: torch.Tensor
    """Acquired lines of the lattice."""

    kept: torch.Tensor
    """Lines that stay as they were acquired."""

    made: torch.Tensor
    """Lines that GRAPPA makes."""

    variance: torch.Tensor
    """float64, [k2, k1]: noise variance of each acquired line."""

    @property
    def lacking(self) -> int:
        """Lines of the lattice that were not acquired, within the rectangle of those that were."""
        regular = self.steps.mask((self.source.shape[0], self.source.shape[1]), self.start)
        return int((regular & ~self.source & _box(self.source)).sum())


def lattice(
    sampled: torch.Tensor,
    place: tuple[Steps, Place],
    groups: Iterable[Neighbours],
    encoding: Encoding,
    *,
    put_back: bool,
) -> Lattice:
    """Give every line its role on a lattice found in the acquired lines, int [k2, k1].

    Lines are made up to one step beyond the outermost acquired ones of the lattice, as far as the header's
    limits allow, where at least half of their sources were acquired.
    """
    there = sampled > 0
    steps, start = place
    source = there & steps.mask((there.shape[0], there.shape[1]), start)
    kept = there if put_back else source
    inside = torch.ones_like(there)
    for axis, step in ((0, steps.k2), (1, steps.k1)):
        first, last = limits(source.any(1 - axis), axis, step, encoding)
        index = torch.arange(there.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
        inside &= (index >= first) & (index <= last)
    made = torch.zeros_like(there)
    for group in groups:
        for target in group.targets:
            shifts = [(target[0] - k2, target[1] - k1) for k2, k1 in group.sources]
            served = sum(shifted(source, shift).to(torch.int32) for shift in shifts)
            assert isinstance(served, torch.Tensor)
            homed = steps.mask((there.shape[0], there.shape[1]), (start[0] + target[0], start[1] + target[1]))
            made |= homed & (2 * served >= len(shifts))
    return Lattice(
        steps=steps,
        start=start,
        source=source,
        kept=kept,
        made=made & inside & ~kept,
        variance=variance(sampled),
    )


def find_lattice(sampled: torch.Tensor, acceleration: Place) -> tuple[Steps, Place]:
    """The lattice of the acquired lines, int [k2, k1], given the acceleration (k1, k2)."""
    return find(sampled > 0, acceleration)


def limits(acquired: torch.Tensor, axis: int, step: int, encoding: Encoding) -> tuple[int, int]:
    """First and last line to be filled along an axis, given the lattice's acquired ones, bool [line]."""
    size = len(acquired)
    there = torch.nonzero(acquired)[:, 0]
    first, last = int(there[0]), int(there[-1])
    limit = encoding.limit(COUNTERS[axis])
    low, high = 0, size - 1
    if limit is not None and limit.maximum > limit.minimum:
        shift = size // 2 - limit.center
        low, high = limit.minimum + shift, limit.maximum + shift
    return min(first, max(first - step + 1, low)), max(last, min(last + step - 1, high))


def shifted(mask: torch.Tensor, shift: Place) -> torch.Tensor:
    """The lines that lie ``shift`` (k2, k1) behind one of the mask, bool [k2, k1]."""
    out = torch.zeros_like(mask)
    to, come = zip(*(_parts(size, by) for size, by in zip(mask.shape, shift, strict=True)), strict=True)
    out[to] = mask[come]
    return out


def _parts(size: int, by: int) -> tuple[slice, slice]:
    by = max(-size, min(size, by))
    return slice(max(0, by), size + min(0, by)), slice(max(0, -by), size - max(0, by))


def _box(mask: torch.Tensor) -> torch.Tensor:
    """The smallest rectangle around the lines of a mask, bool [k2, k1]."""
    out = torch.zeros_like(mask)
    k2, k1 = (torch.nonzero(mask.any(1 - axis))[:, 0] for axis in (0, 1))
    out[int(k2[0]) : int(k2[-1]) + 1, int(k1[0]) : int(k1[-1]) + 1] = True
    return out
