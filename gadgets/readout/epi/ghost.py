"""The ghost of EPI: forward and reversed lines differ in phase, and reference echoes tell by how much."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gadgets.data import Block, PhaseCorrection, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.head import Flag
from gadgets.readout.epi.regrid import reverse
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class CorrectEpi(Gadget):
    """Give forward and reversed EPI lines one phase, by the reference echoes of each shot.

    The echoes of a shot, without phase encoding and in alternating directions, are flagged PHASE_CORRECTION
    and come before its lines. A polynomial over x is fitted to the phase between the two directions, half of
    which is taken from each; and the phase that grows from echo to echo is taken from all lines. Reference
    echoes are consumed, and lines are no longer flagged REVERSE. Lines have to be over x (``RegridEpi``).
    """

    order: Annotated[int, Field(ge=0, le=4)] = 1
    """Of the polynomial over x: 1 is the N/2 ghost's linear phase."""

    drift: bool = True
    """Take away the mean phase that grows from echo to echo (a frequency offset, which shifts the image)."""

    def process(self, stream: Iterable[Block | PhaseCorrection], scan: Scan) -> Iterator[Block | Text]:
        """Give the corrected lines; warn once when lines came without echoes before them.

        Raises DataError for EPI lines that are not over x.
        """
        shot = _Shot(order=self.order, drift=self.drift)
        warned = False
        for item in stream:
            if scan.encoding(item.encoding).trajectory != "epi":
                if isinstance(item, Block):
                    yield item
                continue
            if not item.transformed:
                raise DataError("EPI lines are to be corrected over x: put RegridEpi before CorrectEpi")
            if isinstance(item, PhaseCorrection):
                shot.collect(item)
                continue
            if not shot.known and not warned:
                warned = True
                yield Text(text="EPI lines without reference echoes: ghosts stay", level="warning")
            yield shot.correct(item)


@dataclass(eq=False)
class _Shot:
    """What the reference echoes of the latest shot say."""

    order: int
    drift: bool
    echoes: list[NDArray[np.complex64]] = field(default_factory=list)
    backward: list[bool] = field(default_factory=list)
    between: NDArray[np.float64] | None = None
    """Phase of reversed minus that of forward lines over x."""

    growth: float = 0.0
    """Phase from echo to echo."""

    line: int = 0
    """How many lines of the shot there were."""

    @property
    def known(self) -> bool:
        """Whether there were reference echoes."""
        return bool(self.echoes) or self.between is not None

    def collect(self, item: PhaseCorrection) -> None:
        """Take reference echoes; after lines they begin another shot."""
        if self.line:
            self.echoes, self.backward, self.line = [], [], 0
        self.between = None
        self.echoes += list(item.data)
        self.backward += reverse(item.head).tolist()

    def correct(self, item: Block) -> Block:
        """The lines with one phase."""
        if self.between is None and self.echoes:
            self.between, self.growth = fitted(np.stack(self.echoes), self.backward, self.order)
            self.line = 0
        back = reverse(item.head)
        head = item.head.copy()
        head["flags"] &= ~np.uint64(Flag.REVERSE)
        number = self.line + np.arange(len(back))
        self.line += len(back)
        if self.between is None:
            return replace(item, head=head, notes={**item.notes, "ScansideEpi": "uncorrected"})
        phase = np.where(back, -0.5, 0.5)[:, None] * self.between
        if self.drift:
            phase = phase - (self.growth * number)[:, None]
        turn = np.exp(1j * phase).astype(np.complex64)[:, None]
        return replace(
            item, head=head, data=item.data * turn, notes={**item.notes, "ScansideEpi": "corrected"}
        )


def fitted(
    echoes: NDArray[np.complex64], backward: list[bool], order: int
) -> tuple[NDArray[np.float64] | None, float]:
    """Phase over x of reversed minus forward echoes [echo, coil, x], and the growth from echo to echo.

    None where the echoes do not alternate. Source of the model: Gadgetron's EPICorr, after Heid 1997.
    """
    data = torch.from_numpy(echoes).to(torch.complex128)
    sign = np.array([1 if back else -1 for back in backward])
    if len(data) < 2 or not np.all(sign[1:] == -sign[:-1]):
        return None, 0.0
    growth = 0.0
    if len(data) > 2:
        growth = float((data[:-2].conj() * data[2:]).sum().angle()) / 2
    number = torch.arange(len(data), dtype=torch.float64)[:, None, None]
    data = data * torch.polar(torch.ones_like(number), -growth * number)
    pairs = (data[:-1].conj() * data[1:]).sum(1)
    ahead = torch.from_numpy(sign[1:] > 0)[:, None]
    product = torch.where(ahead, pairs, pairs.conj()).sum(0)
    return polynomial(product, order).numpy(), growth


def polynomial(product: torch.Tensor, order: int) -> torch.Tensor:
    """The polynomial over x that fits the phase of complex numbers, weighted by their magnitude, float64 [x].

    Slope and constant come from sums of complex numbers, which no wrap of the phase disturbs; what is left is
    fitted by least squares.
    """
    x = torch.linspace(-1, 1, len(product), dtype=torch.float64)
    slope = torch.zeros((), dtype=torch.float64)
    if order:
        slope = (product[:-1].conj() * product[1:]).sum().angle() / (x[1] - x[0])
    flat = product * torch.polar(torch.ones_like(x), -slope * x)
    middle = flat.sum().angle()
    rest = (flat * torch.polar(torch.ones_like(middle), -middle)).angle()
    weight = product.abs().sqrt()
    basis = torch.stack([x**power for power in range(order + 1)], 1)
    found: Any = torch.linalg.lstsq(weight[:, None] * basis, (weight * rest)[:, None]).solution
    whole: torch.Tensor = slope * x + middle + (basis @ found)[:, 0]
    return whole
