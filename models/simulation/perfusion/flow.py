"""Blood flow and exchange of sixteen sectors, and the curves that follow from them."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from models.errors import SimulationError
from models.kinetics.blood import DENSITY, HAEMATOCRIT
from models.kinetics.btex import Btex
from models.kinetics.compartments import TwoCompartmentExchange
from models.kinetics.inputs import dispersed
from models.kinetics.pde import Capillary
from models.kinetics.response import tissue

Generator = Literal["btex", "pde", "2cxm"]
GENERATORS: tuple[Generator, ...] = get_args(Generator)

SECTORS = 16
TERRITORIES = ((1, 2, 7, 8, 13, 14), (3, 4, 9, 10, 15), (5, 6, 11, 12, 16))
"""Sectors of the left anterior descending, the right and the circumflex artery (M. D. Cerqueira et al.,
Circulation 105 (2002) 539)."""

DISPERSION = 0.5
"""Mean transit from the ventricle to the capillaries beyond the delay, in the independent generator [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """What is true in each sector; float64 [sector], index 0 is AHA 1."""

    mbf: torch.Tensor
    """Blood flow [ml/min/g]."""

    ps: torch.Tensor
    """Permeability times surface [ml/min/g]."""

    vb: torch.Tensor
    visf: torch.Tensor
    """Volume of blood and of interstitium [ml/g]."""

    delay: torch.Tensor
    """From the left ventricle [s]."""

    haematocrit: float = HAEMATOCRIT

    def parameters(self) -> torch.Tensor:
        """Plasma flow [1/s], PS [1/s], vp and ve, per volume of tissue, float64 [sector, 4]."""
        plasma = 1 - self.haematocrit
        columns = (
            self.mbf * plasma * DENSITY / 60,
            self.ps * DENSITY / 60,
            self.vb * plasma * DENSITY,
            self.visf * DENSITY,
        )
        return torch.stack(columns, 1)

    def curves(self, blood: torch.Tensor, step: float, generator: Generator = "btex") -> torch.Tensor:
        """Tissue concentration [mM per volume of tissue], float64 [sector, time].

        ``blood`` [mM] every ``step`` s. ``btex`` is the closed form, ``2cxm`` two well-mixed compartments;
        ``pde`` has axial diffusion, and the bolus is dispersed on its way to the capillaries.
        """
        arterial = blood / (1 - self.haematocrit)
        if generator == "pde":
            return self._capillaries(arterial, step)
        model = Btex() if generator == "btex" else TwoCompartmentExchange()
        return tissue(model, self.parameters(), arterial, step, self.delay)

    def _capillaries(self, arterial: torch.Tensor, step: float) -> torch.Tensor:
        reached = {float(each): _late(_dispersed(arterial, step), float(each), step) for each in self.delay}
        rows = []
        for (flow, ps, vp, ve), delay in zip(self.parameters().tolist(), self.delay.tolist(), strict=True):
            one = Capillary(flow=flow, ps=ps, vp=vp, ve=ve, cells=60)
            rows.append(one.curve(reached[delay], step))
        return torch.stack(rows)


def _dispersed(values: torch.Tensor, step: float) -> torch.Tensor:
    """After a mixed chamber of mean ``DISPERSION``, whose mean delay is taken back."""
    return _late(dispersed(values, step, DISPERSION), -DISPERSION, step)


def _late(values: torch.Tensor, delay: float, step: float) -> torch.Tensor:
    """The values so much later [s]; linear in between, the ends go on."""
    place = (torch.arange(len(values), dtype=torch.float64) - delay / step).clamp(0, len(values) - 1)
    low = place.floor().clamp(max=len(values) - 2).long()
    return torch.lerp(values[low], values[low + 1], place - low)


def draw_flow(seed: int, state: Literal["stress", "rest"] = "stress") -> Flow:
    """A random distribution: healthy, or one or two arteries' territories short of blood, or scar."""
    generator = torch.Generator().manual_seed(seed * 16 + 9)

    def between(low: float, high: float, count: int = 1) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)

    level = between(1.8, 4.6) if state == "stress" else between(0.6, 1.3)
    mbf = level * between(0.9, 1.1, SECTORS)
    vb, visf = between(0.09, 0.14) * between(0.95, 1.05, SECTORS), between(0.16, 0.24).repeat(SECTORS)
    ps = between(0.8, 1.5) * between(0.95, 1.05, SECTORS)
    sick = int(torch.randint(0, 3, (), generator=generator))
    order = torch.randperm(3, generator=generator)[:sick].tolist()
    for which, artery in enumerate(order):
        at = torch.tensor(TERRITORIES[artery]) - 1
        scar = which == 1
        mbf[at] = (between(0.4, 0.7) if scar else between(0.5, 1.6)) * between(0.95, 1.05, len(at))
        vb[at] *= 0.7
        ps[at] *= 0.7
        visf[at] *= 1.6 if scar else 1.0
    delay = between(0.4, 1.2) + between(0.0, 0.3, SECTORS)
    return Flow(mbf=mbf.clamp(0.4, 5.0), ps=ps, vb=vb, visf=visf, delay=delay)


def known(generator: str) -> Generator:
    """The generator of this name.

    Raises SimulationError for one that does not exist.
    """
    for each in GENERATORS:
        if each == generator:
            return each
    raise SimulationError(f"generator {generator}, expected one of {', '.join(GENERATORS)}")


HEALTHY = Flow(
    mbf=torch.tensor([3.0], dtype=torch.float64),
    ps=torch.tensor([1.3], dtype=torch.float64),
    vb=torch.tensor([0.12], dtype=torch.float64),
    visf=torch.tensor([0.20], dtype=torch.float64),
    delay=torch.tensor([0.8], dtype=torch.float64),
)
"""Healthy muscle under stress: by its enhancement the contrast-to-noise ratio is defined."""
