"""The lattice of acquired lines: which lines are sources, which are made, which are kept as acquired."""

from dataclasses import dataclass

import torch

from gadgets.recon.sampling import variance
from gadgets.scan import Encoding


@dataclass(frozen=True, kw_only=True, eq=False)
class Lattice:
    """The role of every line of one frame. All masks are bool [k2, k1]."""

    acceleration: int
    offset: int
    """Index of the first line of the lattice."""

    source: torch.Tensor
    """Acquired lines of the lattice."""

    kept: torch.Tensor
    """Lines that stay as they were acquired."""

    made: torch.Tensor
    """Lines that GRAPPA makes."""

    variance: torch.Tensor
    """float64, [k2, k1]: noise variance of each acquired line."""

    @property
    def lines(self) -> range:
        """The indices of the lattice's lines, acquired or not."""
        return range(self.offset, self.source.shape[1], self.acceleration)


def lattice(sampled: torch.Tensor, acceleration: int, encoding: Encoding, *, put_back: bool) -> Lattice:
    """Find the lattice in the acquired lines, int [k2, k1], and give every line its role.

    The lattice is the set of every R-th line with most acquired lines in it. Lines are made up to R - 1
    beyond the outermost acquired ones of the lattice, as far as the header's limits allow.
    """
    there = sampled > 0
    counts = [int(there[:, start::acceleration].sum()) for start in range(acceleration)]
    offset = counts.index(max(counts))
    regular = torch.zeros(there.shape[1], dtype=torch.bool, device=there.device)
    regular[offset::acceleration] = True
    source = there & regular
    first, last = limits(source.any(0), acceleration, encoding)
    inside = torch.zeros_like(regular)
    inside[first : last + 1] = True
    kept = there if put_back else source
    return Lattice(
        acceleration=acceleration,
        offset=offset,
        source=source,
        kept=kept,
        made=source.any(1, keepdim=True) & inside & ~regular & ~kept,
        variance=variance(sampled),
    )


def limits(acquired: torch.Tensor, acceleration: int, encoding: Encoding) -> tuple[int, int]:
    """First and last line to be filled, given the lattice's acquired lines, bool [k1]."""
    size = len(acquired)
    there = torch.nonzero(acquired)[:, 0]
    first, last = int(there[0]), int(there[-1])
    limit = encoding.limit("kspace_encode_step_1")
    low, high = 0, size - 1
    if limit is not None and limit.maximum > limit.minimum:
        shift = size // 2 - limit.center
        low, high = limit.minimum + shift, limit.maximum + shift
    return min(first, max(first - acceleration + 1, low)), max(last, min(last + acceleration - 1, high))
